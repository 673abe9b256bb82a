"""
A machine with its own network, files and name server, to compare with the C library.

    python -m tests.live.programs.lonely VARIANT WORD ...

runs C{python WORD ...} in it. It needs Linux namespaces, as L{tests.tour.machine} does.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from twisted.internet.interfaces import IReactorTime

from tests.docs.serving import serveUntilInputEnds
from tests.live.programs.households import FILES, NAME, RECORDS, VARIANTS
from tests.test_architecture import ROOT
from tests.tour.machine import UNSHARE
from twisted_ext.apps.cli.demo import server

__all__ = ["command"]

# Messages to the kernel (rtnetlink(7)) and their attributes.
_NEW_LINK: Final = 16
_NEW_ADDRESS: Final = 20
_NEW_ROUTE: Final = 24
_REQUEST_AND_SAY: Final = 5
_CREATE: Final = 0x400
_ADDRESS: Final = 1
_LOCAL: Final = 2
_DEVICE: Final = 4
_UP: Final = 1
_MAIN_TABLE: Final = 254

#: The index of the loopback interface.
_INDEX: Final = 1


def command(variant: str, *words: str) -> list[str]:
    """
    Return the command that runs Python with these arguments in such a machine.
    """
    return [*UNSHARE, "--uts", sys.executable, "-m", "tests.live.programs.lonely", variant, *words]


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def _request(control: socket.socket, kind: int, body: bytes) -> None:
    """
    Send a request to the kernel.

    @raise OSError: the kernel refuses it.
    """
    control.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_AND_SAY | _CREATE, 1, 0) + body)
    (error,) = struct.unpack_from("=i", control.recv(4096), 16)
    if error:
        raise OSError(-error, os.strerror(-error))


def _connect(addresses: tuple[str, ...]) -> None:
    """
    Bring the loopback interface up, with addresses and a default route for each family that has an address.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as control:
        _request(control, _NEW_LINK, struct.pack("=BxHiII", 0, 0, _INDEX, _UP, _UP))
        for text in addresses:
            address, _, bits = text.partition("/")
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            packed = socket.inet_pton(family, address)
            head = struct.pack("=BBBBI", family, int(bits), 0, 0, _INDEX)
            _request(control, _NEW_ADDRESS, head + _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed))
        for family in sorted({socket.AF_INET6 if ":" in text else socket.AF_INET for text in addresses}):
            head = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _MAIN_TABLE, 3, 0, 1, 0)
            _request(control, _NEW_ROUTE, head + _attribute(_DEVICE, struct.pack("=I", _INDEX)))


def _listen(reactor: IReactorTime) -> str:
    server(RECORDS).listen(reactor, 53, "127.0.0.1")
    return "ready"


def _isApart() -> bool:
    """
    Return whether this is a machine of its own: users are mapped, and there is only a loopback interface.
    """
    mapped = Path("/proc/self/uid_map").read_text("ascii").split()[2:] == ["1"]
    return mapped and [name for _, name in socket.if_nameindex()] == ["lo"]


def _mountFiles(folder: Path, files: dict[str, str], place: Path = Path("/etc")) -> None:
    """
    Mount these files over those of the system.
    """
    if all(Path(place, name).exists() for name in files):
        binds = [(Path(folder, name), Path(place, name)) for name in files]
    else:
        # A bind mount needs an existing file. Without one, the whole folder is replaced by a copy, without unreadable files.
        folder = Path(folder, "all")
        with suppress(shutil.Error):
            shutil.copytree(place, folder, symlinks=True)
        binds = [(folder, place)]
    for name, text in files.items():
        Path(folder, name).unlink(missing_ok=True)
        Path(folder, name).write_text(text, "utf-8")
    for instead, path in binds:
        subprocess.run(["mount", "--bind", str(instead), str(path)], check=True)


def _inside(variant: str, words: list[str]) -> int:
    if not _isApart():
        sys.exit("tests.live.programs.lonely: this is not a machine of its own; leave --inside out")
    addresses, files = VARIANTS[variant]
    _connect(addresses)
    socket.sethostname(NAME)
    with tempfile.TemporaryDirectory() as folder:
        _mountFiles(Path(folder), {**FILES, **files})
        serve = [sys.executable, "-m", "tests.live.programs.lonely", variant, "--serve"]
        with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as servers:
            assert servers.stdout is not None and servers.stdin is not None
            servers.stdout.readline()
            try:
                return subprocess.call([sys.executable, *words])
            finally:
                servers.stdin.close()


if __name__ == "__main__":
    if sys.argv[2:] == ["--serve"]:
        serveUntilInputEnds(_listen)
    elif sys.argv[2] == "--inside":
        sys.exit(_inside(sys.argv[1], sys.argv[3:]))
    else:
        os.execvp(UNSHARE[0], command(sys.argv[1], "--inside", *sys.argv[2:]))
