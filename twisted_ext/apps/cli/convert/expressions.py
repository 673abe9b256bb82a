"""
Regular expressions of other programs, as rules of a list.
"""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.resolver.policy.localanswers import Complaints
from twisted_ext.resolver.policy.rules.listfile import parseList

__all__ = ["isRule"]


def isRule(line: str, place: Place, converted: Converted) -> bool:
    """
    Return whether a line with an expression between slashes is a rule that a list can have. If not, there is a finding. Without the library
    for expressions there is a note.
    """
    if find_spec("re2") is None:
        converted.note(place, "regular expressions take google-re2", "pip install 'twisted-ext[lists]'")
        return True
    complaints = Complaints()
    for _ in parseList(BytesIO(line.encode("utf-8", "replace")), complaints):
        pass
    if complaints.count:
        converted.missing(place, complaints.texts[0].partition(": ")[2], "write ||domain^, or a pattern such as ||ad*.example.com^")
    return not complaints.count
