"""
Which names another program validates with DNSSEC, so that the same are validated here, or a line says that they are not.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_ext.apps.cli.convert.addresses import nameFrom, namesAbove
from twisted_ext.apps.cli.convert.converted import Converted, Place

__all__ = ["Validation", "validates"]


class Validation:
    """
    What a program validates: the names whose closest name above that is a trust anchor or an exception is a trust anchor.
    """

    def __init__(self, anchors: Iterable[str], exceptions: Iterable[str], *, exceptionsFirst: bool = False) -> None:
        """
        @param anchors: the names of the zones that have a trust anchor, as C{nameFrom} returns them; none if nothing is validated.
        @param exceptions: the names at and below which nothing is validated, in the same form.
        @param exceptionsFirst: whether an exception counts for more than a trust anchor of the same name.
        """
        self._anchors = frozenset(anchors)
        self._exceptions = frozenset(exceptions).difference(() if exceptionsFirst else self._anchors)

    def __bool__(self) -> bool:
        return bool(self._anchors)

    def covers(self, name: str) -> bool:
        """
        Return whether any names in a domain are validated.
        """
        return self._validates(name) or any(name in namesAbove(each) for each in self._anchors)

    def _validates(self, name: str) -> bool:
        closest = next((each for each in namesAbove(name) if each in self._anchors or each in self._exceptions), "")
        return closest in self._anchors and closest not in self._exceptions

    def reportStub(self, name: str, place: Place, program: str, into: Converted) -> None:
        """
        Report that the names in a stub are not validated here, if they are there: here a stub is validated
        only at and below a trust anchor in it.
        """
        if self._validates(name) and name not in self._anchors:
            into.differs(
                place,
                f"names in it are not validated, as {program} does",
                f"write a DS record of {name} to a file, and set trust-anchor to it",
            )

    def reportException(self, text: str, place: Place, into: Converted) -> None:
        """
        Suspend the validation of an exception, or report that it cannot be. Call this once all routes and stubs are known.

        @param text: its name, as the configuration has it.
        """
        name = nameFrom(text)
        if name is None:
            into.wrong(place, f"{text!r} is not a domain name")
            return
        if not self:
            into.needless(place, "nothing is validated")
            return
        routes = {domain.lower(): text for domain, _, text in [route.partition("=") for route in into.texts("route")]}
        stubs = [stub.partition("=")[0].lower() for stub in into.texts("stub")]
        closest = next((each for each in namesAbove(name) if each in routes or each in stubs), "")
        if closest in routes and not routes[closest].startswith("validate:"):
            into.needless(place, f"the route of {closest} is not validated")
        elif closest in stubs and closest not in routes and closest not in self._anchors:
            into.needless(place, "a stub is validated only with a trust anchor for it")
        elif name not in self._exceptions:
            into.needless(place, f"the trust anchor of {name} counts for more")
        else:
            into.add("negative-trust-anchor", f"{name}=+7d", place)
            into.differs(
                place, f"validation of {name} is suspended for at most a week", "give it a route or a stub, which is not validated"
            )


def validates(converted: Converted) -> bool:
    """
    Return whether converted upstreams or routes validate, so that a forwarder takes trust anchors.
    """
    return any("validate:" in text for text in (*converted.texts("upstream"), *converted.texts("route")))
