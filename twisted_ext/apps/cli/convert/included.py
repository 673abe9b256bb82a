"""
Reads the files of a configuration, with bounds on what they include.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape, iglob
from itertools import islice
from typing import Final, Protocol

from twisted_ext.apps.cli.convert.limits import INCLUDED_FILES
from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow

__all__ = ["DISK", "Disk", "Includes", "RootedDisk"]

#: Octets of all these files together: room for a block list of a million names, which takes half a minute and 1.3 GB.
_INCLUDED_OCTETS: Final = 32 << 20

#: Files that include each other, one in another: deeper than any configuration is written, and no deep recursion (Unbound permits 10,
#: dnsmasq any number).
_INCLUDED_DEPTH: Final = 20


class Disk(Protocol):
    """
    Where the files of a configuration are.
    """

    def read(self, path: str, most: int) -> bytes:
        """
        Return the contents of a file, at most so many octets.

        @raise OSError: it cannot be read.
        """

    def matching(self, pattern: str, most: int) -> list[str]:
        """
        Return the paths that match a pattern of a shell, at most so many, sorted.
        """

    def real(self, path: str) -> str:
        """
        Return where a file is on this machine.

        @raise OSError: it is outside of the folder of the configuration.
        """


class _RealDisk:
    def read(self, path: str, most: int) -> bytes:
        with open(path, "rb", opener=openNow) as opened:
            return opened.read(most)

    def matching(self, pattern: str, most: int) -> list[str]:
        return sorted(islice(iglob(pattern), most))

    def real(self, path: str) -> str:
        return path


class RootedDisk:
    """
    The file system of a container, in a folder of this machine.
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)

    def read(self, path: str, most: int) -> bytes:
        return DISK.read(self.real(path), most)

    def real(self, path: str) -> str:
        real = os.path.realpath(self._root + path)
        if os.path.commonpath((self._root, real)) != self._root:
            # Such as an absolute link, which means another file here than in the container.
            raise OSError(f"it is a link out of {self._root}")
        return real

    def matching(self, pattern: str, most: int) -> list[str]:
        return [path.removeprefix(self._root) for path in DISK.matching(escape(self._root) + pattern, most)]


#: The file system.
DISK: Final[Disk] = _RealDisk()


class Includes:
    """
    The files of one configuration. It counts them, and knows which ones are being read.

    @ivar folder: the folder of the first file: the base of relative paths.
    """

    def __init__(
        self,
        folder: str = "",
        disk: Disk = DISK,
        *,
        mostFiles: int = int(INCLUDED_FILES.default),
        mostOctets: int = _INCLUDED_OCTETS,
        deepest: int = _INCLUDED_DEPTH,
    ) -> None:
        """
        @param folder: see L{folder}; C{""} for the working directory.
        """
        self.folder = folder
        self._disk = disk
        self._files = self._mostFiles = mostFiles
        self._octets = self._mostOctets = mostOctets
        self._deepest = deepest
        self._within: list[str] = []

    def pathOf(self, path: str) -> str:
        """
        Make a path absolute.

        @raise BadDescription: it has a NUL character.
        """
        if "\x00" in path:
            raise BadDescription(f"{path!r} cannot be a path")
        return os.path.abspath(os.path.join(self.folder, path))

    @contextmanager
    def including(self, path: str) -> Iterator[str]:
        """
        Return a context manager that reads a file; what is read within it counts as included by this file.

        @raise BadDescription: it cannot be read, includes itself, or a bound is exceeded.
        """
        path = self.pathOf(path)
        # Links to the same file make a loop as well.
        real = os.path.realpath(path)
        if real in self._within:
            raise BadDescription(f"{path} includes itself")
        if len(self._within) >= self._deepest:
            raise BadDescription(f"{path} is included through {self._deepest} files; write fewer levels")
        text = self.text(path)
        self._within.append(real)
        try:
            yield text
        finally:
            self._within.pop()

    def text(self, path: str) -> str:
        """
        Read a file that can include none. Octets that are not UTF-8 become U+FFFD: they are in comments, or in names that nothing accepts.

        @raise BadDescription: see L{including}.
        """
        path = self.pathOf(path)
        if not self._files:
            raise BadDescription(f"the configuration has more than {self._mostFiles} files")
        self._files -= 1
        try:
            data = self._disk.read(path, self._octets + 1)
        except (OSError, ValueError) as error:
            raise BadDescription(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        if len(data) > self._octets:
            raise BadDescription(f"{path}: the configuration has more than {self._mostOctets} octets")
        self._octets -= len(data)
        return data.decode("utf-8", "replace").removeprefix("\ufeff")

    def realPath(self, path: str) -> str:
        """
        Return where a file is on this machine, for what is no text.

        @raise BadDescription: it is outside of the folder of the configuration.
        """
        path = self.pathOf(path)
        try:
            return self._disk.real(path)
        except OSError as error:
            raise BadDescription(f"{path}: {error.strerror or error}") from None

    def matching(self, pattern: str) -> list[str]:
        """
        Return the paths that match a pattern of a shell, sorted, possibly none. One that ends in a slash matches folders only.

        @raise BadDescription: there are too many.
        """
        path = self.pathOf(pattern) + "/" * pattern.endswith("/")
        found = self._disk.matching(path, self._mostFiles + 1)
        if len(found) > self._mostFiles:
            raise BadDescription(f"{pattern}: more than {self._mostFiles} files match")
        return found
