"""
What is done with each version of a zone before it becomes an image, in the order in which it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from twisted_ext.zone.zonefile.reader import MasterFileContent

__all__ = ["STAGES", "Stage"]

#: Gets the records with what they were read from, which it may change; what its job says of it; the time, in seconds since 1970; and the
#: result, which it may add to. It raises L{BadZone<twisted_ext.errors.BadZone>} if the version is not to be served.
Stage = Callable[["MasterFileContent", Any, float, "dict[str, object]"], None]


def _sign(content: MasterFileContent, given: Any, now: float, result: dict[str, object]) -> None:
    # Imported for zones that are signed only.
    from twisted_ext.zone.sign.job import SignJob

    signing = SignJob.fromTable(given, now)
    signing.sign(content.builder)
    content.sources = [*content.sources, *signing.sources]
    result |= {"signed": signing.said, "due": signing.due, "begins": signing.begins}


#: By the names that jobs have for them, which are those of the settings of zones.
STAGES: Final[tuple[tuple[str, Stage], ...]] = (("sign", _sign),)
