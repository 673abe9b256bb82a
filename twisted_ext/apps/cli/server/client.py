"""
Client for the control socket of a running server.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import BadStatusLine, HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from stat import S_ISREG, S_ISSOCK
from typing import IO, Final
from urllib.parse import urlencode

from twisted_ext.apps.cli.terminal.arguments import Option
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, USAGE, ExitError
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.operations.controlpath import controlPaths, isOwn

__all__ = ["SOCKET", "ControlChannel"]

#: The option for the control socket.
SOCKET: Final = Option("--socket PATH", "the control socket of the server", "", str, what="the path of a control socket")

#: Seconds to wait for a reply. Explaining a look-up takes as long as the look-up.
_PATIENCE: Final = 30.0

#: The maximum size of a reply that is read as a whole, in octets.
_MOST: Final = 16 * 2**20

_PIECE: Final = 65536

_NONE: Final[Mapping[str, str]] = {}


class ControlChannel:
    def __init__(self, path: str = "") -> None:
        """
        @param path: the path of the socket; by default the first default path at which a server listens.
        """
        self.path = path or _firstListening(controlPaths())

    def ask(self, method: str, command: str, parameters: Mapping[str, str] = _NONE, body: IO[bytes] | None = None) -> dict[str, JSON]:
        """
        Send a command such as C{cache/flush}, and return the server's reply.
        """
        with self._talking(method, command, parameters, body) as response:
            said = response.read(_MOST + 1)
            if len(said) > _MOST:
                raise ExitError(NO_REPLY, f"{self.path}: the reply is larger than {_MOST} octets")
            return _understood(said, self.path)

    def pieces(self, command: str) -> Iterator[bytes]:
        with self._talking("GET", command, _NONE, None) as response:
            while piece := response.read(_PIECE):
                yield piece

    @contextmanager
    def _talking(self, method: str, command: str, parameters: Mapping[str, str], body: IO[bytes] | None) -> Iterator[HTTPResponse]:
        connection = _UnixConnection(self.path)
        target = f"/{command}" + (f"?{urlencode(parameters)}" if parameters else "")
        headers: dict[str, str] = {}
        try:
            if body is not None:
                # The length of a pipe's content is not known beforehand.
                kind = os.fstat(body.fileno())
                headers = {"Content-Length": str(kind.st_size)} if S_ISREG(kind.st_mode) else {"Transfer-Encoding": "chunked"}
            connection.request(method, target, body, headers, encode_chunked="Transfer-Encoding" in headers)
            response = connection.getresponse()
            if response.status != 200:
                self._refuse(response)
            yield response
        except FileNotFoundError as error:
            raise ExitError(NO_REPLY, f"no server listens at {self.path}; name its socket with --socket PATH") from error
        except ConnectionRefusedError as error:
            raise ExitError(NO_REPLY, f"the server that listened at {self.path} no longer runs") from error
        except TimeoutError as error:
            raise ExitError(NO_REPLY, f"{self.path}: the server has not replied in {_PATIENCE:.0f} seconds") from error
        except RemoteDisconnected as error:
            raise ExitError(NO_REPLY, f"{self.path}: the server closed the connection without a reply") from error
        except BadStatusLine as error:
            raise ExitError(NO_REPLY, f"{self.path}: this is not a txdns server: its reply is not HTTP") from error
        except HTTPException as error:
            raise ExitError(NO_REPLY, f"{self.path}: the reply is incomplete: {type(error).__name__}") from error
        except OSError as error:
            raise ExitError(NO_REPLY, f"{self.path}: {error.strerror or error}") from error
        finally:
            connection.close()

    def _refuse(self, response: HTTPResponse) -> None:
        said = response.read(_PIECE)
        if response.status == 413:
            raise ExitError(USAGE, "the file is larger than the server accepts")
        reason = _understood(said, self.path).get("error")
        raise ExitError(USAGE if response.status < 500 else NO_REPLY, str(reason or f"{self.path}: HTTP status {response.status}"))


def _firstListening(paths: Sequence[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    tried: list[str] = []
    for path in paths:
        try:
            if not isOwn(os.path.dirname(path)) and not path.startswith("/run/txdns/"):
                tried.append(f"{path} (other users can write to its directory)")
                continue
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(_PATIENCE)
                asking.connect(path)
        except FileNotFoundError:
            tried.append(path)
        except ConnectionRefusedError:
            tried.append(f"{path} (the server no longer runs)")
        except OSError as error:
            tried.append(f"{path} ({error.strerror or error})")
        else:
            return path
    raise ExitError(NO_REPLY, f"no server listens at {', '.join(tried)}; name its socket with --socket PATH")


def _understood(said: bytes, path: str) -> dict[str, JSON]:
    try:
        value = json.loads(said)
    except ValueError as error:
        raise ExitError(NO_REPLY, f"{path}: this is not a txdns server: its reply is not JSON") from error
    if not isinstance(value, dict):
        raise ExitError(NO_REPLY, f"{path}: this is not a txdns server")
    return value


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        found = os.stat(self._path)
        if not S_ISSOCK(found.st_mode):
            raise ExitError(NO_REPLY, f"{self._path} is not a socket; name the server's socket with --socket PATH")
        if found.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
            # In a world-writable directory any user could impersonate the server.
            raise PermissionError(1, "the socket belongs to another user")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self._path)
