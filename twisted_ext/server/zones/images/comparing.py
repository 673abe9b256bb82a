"""
Has the process that compiles a zone say which names differ from the image before, so that only these are signed.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_ext.server.zones.images.compilers import Result
    from twisted_ext.server.zones.images.imagefiles import Built

__all__ = ["comparedWith", "differingFrom"]


def comparedWith(former: Built) -> str:
    """
    Return the member of the object for a zone in a job that has its image compared with a former one.
    """
    return f',"former":[{quoted(former.path)},{former.offset}]'


def differingFrom(former: Built | None, result: Result) -> tuple[Built | None, list[bytes]]:
    """
    Return the image with which the one that was made was compared, if that is C{former}, and the keys of the names that differ.
    """
    said = result.get("differs")
    if former is None or not isinstance(said, dict) or said.get("from") != [former.path, former.offset]:
        return None, []
    names = said.get("names")
    return former, [bytes.fromhex(str(each)) for each in names] if isinstance(names, list) else []
