"""
Files in memory, for configurations that include others.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from twisted_ext.apps.cli.convert.command import formatNamed
from twisted_ext.apps.cli.convert.converted import Converted
from twisted_ext.apps.cli.convert.included import Includes

__all__ = ["MemoryDisk", "converted", "linesOf"]


class MemoryDisk:
    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def read(self, path: str, most: int) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory")
        return self.files[path].encode("utf-8", "surrogateescape")[:most]

    def matching(self, pattern: str, most: int) -> list[str]:
        paths = set(self.files)
        if pattern.endswith("/"):
            paths = {path[: index + 1] for path in self.files for index, character in enumerate(path) if character == "/"}
        found = [path for path in paths if fnmatchcase(path, pattern) and path.count("/") == pattern.count("/")]
        return sorted(found)[:most]

    def real(self, path: str) -> str:
        return path


def converted(kind: str, text: str, files: Mapping[str, str] | None = None, path: str = "/etc/first.conf") -> Converted:
    """
    Convert a text in this format.

    @param files: the files that it may include, by their absolute paths.
    """
    found = formatNamed(kind)
    assert found is not None
    includes = Includes("/etc", MemoryDisk({path: text, **(files or {})}))
    result = Converted(kind, path)
    with includes.including(path) as read:
        found.load()(read, path, includes, result)
    return result


def linesOf(result: Converted) -> list[str]:
    """
    Return a line for each finding, as the command prints them.
    """
    return [str(finding) for finding in result.findings]
