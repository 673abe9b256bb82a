"""
The copies of lists that were fetched, in a folder: for each list a file with what was fetched, named after its digest, and one that
describes it and is replaced when the copy is complete. So there is always a whole copy, also after a loss of power.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.files import STATE_FILE, STATE_FOLDER, openNow, replacingFile
from twisted_ext.server.features.blocking.lists import fetchedLists

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["COPIES", "Copies", "Copy", "copiesOf"]

#: The folder for copies of lists that are fetched, in the state folder.
COPIES: Final = "lists"

_log: Final = Logger(__name__)

_NONE: Final[Mapping[str, tuple[str, str]]] = {}

#: Files of this folder, by their names. Others are left alone.
_OWN: Final = re.compile(r"([A-Za-z0-9_-]{1,63})\.(?:json|[0-9a-f]{32}\.list|[0-9]+\.new)")

#: Octets of a description. The URL and the headers in it are shorter.
_LONGEST: Final = 65_536


@dataclass(frozen=True, slots=True)
class Copy:
    """
    A copy of a list.

    @ivar url: where it is from.
    @ivar digest: that of its octets, as L{digestOf<twisted_ext.resolver.policy.rules.compiler.digestOf>} returns it.
    @ivar octets: how many these are.
    @ivar rules: how many rules they have.
    @ivar etag: what the server calls this version (RFC 9110, section 8.8.3); C{""} if it has not said so.
    @ivar modified: since when there is this version, as the server has written it; C{""} if it has not said so.
    @ivar fetched: when it was current, in seconds since 1970.
    @ivar source: the URL that C{etag} and C{modified} are from, which is another one than C{url} if that redirects. In copies of earlier
        versions it is C{""}.
    """

    url: str
    digest: str
    octets: int
    rules: int
    etag: str
    modified: str
    fetched: float
    source: str = ""


class Copies:
    """
    The copies in a folder.

    @ivar folder: its path. It exists from the first copy on.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._copies: dict[str, Copy] = {}
        self._count = 0

    def load(self, name: str, url: str) -> None:
        """
        Use the copy that is there. A description that cannot be read is as none: the list is fetched then.
        """
        try:
            with open(self._description(name), "rb", opener=openNow) as file:
                found = Copy(**json.loads(file.read(_LONGEST)))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError) as error:
            _log.warn("list {name}: its copy cannot be used: {error}", name=name, error=error)
            return
        if found.url == url and re.fullmatch("[0-9a-f]{32}", str(found.digest)):
            self._copies[name] = found

    def get(self, name: str) -> Copy | None:
        """
        Return what is known of the copy of a list.
        """
        return self._copies.get(name)

    def path(self, name: str) -> str:
        """
        Return the path of the copy of a list; C{""} if there is none.
        """
        found = self._copies.get(name)
        return "" if found is None else f"{self.folder}/{name}.{found.digest}.list"

    def newPath(self, name: str) -> str:
        """
        Return a path to fetch a list to. There is no such file.

        @raise OSError: the folder cannot be made.
        """
        os.makedirs(self.folder, STATE_FOLDER, exist_ok=True)
        self._count += 1
        path = f"{self.folder}/{name}.{self._count}.new"
        with suppress(FileNotFoundError):
            os.unlink(path)
        return path

    def take(self, name: str, copy: Copy, path: str = "") -> None:
        """
        Use a copy from now on.

        @param path: the file with what was fetched; C{""} if that has not changed.

        @raise OSError: it cannot be kept.
        """
        if path:
            os.replace(path, f"{self.folder}/{name}.{copy.digest}.list")
        with replacingFile(self._description(name), STATE_FILE) as file:
            file.write(json.dumps(asdict(copy)).encode("ascii"))
        self._copies[name] = copy

    def tidy(self, names: Container[str], fetching: Container[str] = ()) -> None:
        """
        Remove all copies but those in use.

        @param names: the lists that are fetched.
        @param fetching: the paths of files that are being written.
        """
        with suppress(OSError):
            for file in os.listdir(self.folder):
                path = f"{self.folder}/{file}"
                found = _OWN.fullmatch(file)
                if found is None or path in fetching:
                    continue
                copy = self._copies.get(found[1]) if found[1] in names else None
                if copy is None or file not in (f"{found[1]}.json", f"{found[1]}.{copy.digest}.list"):
                    with suppress(OSError):
                        os.unlink(path)

    def forget(self, name: str) -> None:
        """
        Do without the copy of a list.
        """
        self._copies.pop(name, None)

    def _description(self, name: str) -> str:
        return f"{self.folder}/{name}.json"


def copiesOf(
    settings: Settings, complain: Callable[[str], object], known: Mapping[str, tuple[str, str]] = _NONE
) -> dict[str, tuple[str, str]]:
    """
    Return the path and the digest of each copy that a server with these settings has fetched, by the list as L{RuleList
    <twisted_ext.resolver.policy.rules.table.RuleList>} has it.

    @param complain: called with a line about each list that it has not fetched, or keeps elsewhere.
    @param known: copies of lists that are used in place of its own.
    """
    found = {**known}
    state = settings.stateFolder()
    copies = Copies(f"{os.path.abspath(state)}/{COPIES}" if state else "")
    for each in fetchedLists(settings):
        if each.word in known:
            continue
        copies.load(each.name, each.url)
        copy = copies.get(each.name)
        if copy is not None:
            found[each.word] = (copies.path(each.name), copy.digest)
        else:
            complain(f"list {each.name}: no server has fetched it yet{'' if state else '; set state, so that its copy is kept'}")
    return found
