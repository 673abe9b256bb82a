"""
Members of catalog zones: the catalog that each zone belongs to, and the changes of a new catalog version (RFC 9432).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final, cast

from twisted_ext.wire.names import nameToText
from twisted_ext.zone.catalog.catalogs import Catalog, Member

__all__ = ["Catalogs", "CatalogStep", "Steps"]

#: Zones processed in one step: a millisecond.
_STEP: Final = 500


@dataclass(slots=True, eq=False)
class CatalogStep:
    """
    One change to the zones of a server.

    @ivar kind: C{"add"} the zone; C{"remove"} it and all its state; C{"reset"} it: remove its state and start over; C{"change"} its
        settings: it belongs to another catalog now or has other groups, and its records stay.
    @ivar catalog: the catalog that lists it, folded; for a removed zone the one that did.
    @ivar member: the zone.
    """

    kind: str
    catalog: bytes
    member: Member


#: Returns the changes, and yields between steps so that other work can run.
Steps = Generator[None, None, list[CatalogStep]]


class Catalogs:
    """
    All catalogs that a server follows, and the catalog that each zone belongs to.
    """

    def __init__(
        self,
        isOurs: Callable[[bytes], bool] = lambda apex: False,
        ownerBefore: Callable[[bytes], bytes] = lambda apex: b"",
    ) -> None:
        """
        @param isOurs: returns whether there is a zone of this folded name that is not from a catalog, which no catalog may touch (RFC 9432,
            section 5.2).
        @param ownerBefore: returns the followed catalog that owned a zone, by its folded name, in an earlier process; C{b""} for none.
            Until that catalog has been read, no other one gets the zone.
        """
        self._isOurs = isOurs
        self._ownerBefore = ownerBefore
        # Catalogs of which a whole version has been processed.
        self._complete: set[bytes] = set()
        self._catalogs: dict[bytes, Catalog] = {}
        self._owned: dict[bytes, tuple[bytes, Member]] = {}
        #: Zones that a catalog lists but does not own, by their names: for each such catalog, why it does not get the zone.
        self.clashes: dict[bytes, dict[bytes, str]] = {}

    def __len__(self) -> int:
        return len(self._owned)

    def catalog(self, apex: bytes) -> Catalog | None:
        """
        Return the version of a catalog that was followed last.
        """
        return self._catalogs.get(apex)

    def ownerOf(self, apex: bytes) -> tuple[bytes, Member] | None:
        """
        Return the catalog that a zone belongs to, and its entry there.
        """
        return self._owned.get(apex)

    def members(self, catalog: bytes) -> list[Member]:
        """
        Return the zones that a catalog owns, without those that it lists but another one owns.
        """
        return [member for owner, member in self._owned.values() if owner == catalog]

    def follow(self, catalog: Catalog) -> list[CatalogStep]:
        """
        Switch to a new version of a catalog, or follow a new catalog.

        @return: the changes, in order.
        """
        return _finished(self.following(catalog))

    def following(self, catalog: Catalog) -> Steps:
        """
        Switch to a new version as L{follow} does, in short steps. If the catalog is left or gets another version meanwhile, return only the
        changes found so far.
        """
        before = self._catalogs.get(catalog.apex)
        self._catalogs[catalog.apex] = catalog
        return (yield from self._settle(catalog, before))

    def leave(self, apex: bytes) -> list[CatalogStep]:
        """
        Stop following a catalog: remove its zones.

        @param apex: its name, folded.
        """
        before = self._catalogs.pop(apex, None)
        self._complete.discard(apex)
        if before is None:
            return []
        # Members of the version before that, if not all of this one has been processed.
        left = {member.apex: member for member in self.members(apex)}
        return _finished(self._settle(Catalog(apex, before.serial, {}), Catalog(apex, before.serial, {**left, **before.members})))

    def reconsider(self) -> list[CatalogStep]:
        """
        Check clashes again, after zones from other sources were added or removed.
        """
        steps: list[CatalogStep] = []
        for apex, (catalog, member) in list(self._owned.items()):
            if self._isOurs(apex):
                # The operator has configured the zone, and so takes it over with its records.
                del self._owned[apex]
                self._clash(apex, catalog, "there is such a zone already")
                steps.append(CatalogStep("remove", catalog, member))
        for apex in list(self.clashes):
            steps += self._claims(apex)
        return steps

    def _settle(self, catalog: Catalog, before: Catalog | None) -> Steps:
        steps: list[CatalogStep] = []
        former = {} if before is None else before.members
        released: list[bytes] = []
        # Other calls may have changed what is followed by the time this resumes.
        current = self._catalogs.get(catalog.apex)
        for count, (apex, member) in enumerate(former.items()):
            if not count % _STEP:
                yield
                if self._catalogs.get(catalog.apex) is not current:
                    return steps
            if apex in catalog.members:
                continue
            self._unclash(apex, catalog.apex)
            owned = self._owned.get(apex)
            if owned is not None and owned[0] == catalog.apex:
                del self._owned[apex]
                steps.append(CatalogStep("remove", catalog.apex, member))
                released.append(apex)
        for count, (apex, member) in enumerate(catalog.members.items()):
            if not count % _STEP:
                yield
                if self._catalogs.get(catalog.apex) is not current:
                    return steps
            owned = self._owned.get(apex)
            # Most members are unchanged.
            if owned is None or owned[1] is not member or owned[0] != catalog.apex:
                steps += self._want(catalog.apex, member)
        for apex in released:
            steps += self._claims(apex)
        # A catalog may be waiting for the change of ownership of a zone.
        for apex, member in catalog.members.items():
            if member.coo and apex in self.clashes:
                steps += self._claims(apex)
        if catalog.apex in self._catalogs and catalog.apex not in self._complete:
            self._complete.add(catalog.apex)
            # Zones that it owned before a restart and no longer lists.
            for count, apex in enumerate(list(self.clashes)):
                if not count % _STEP:
                    yield
                if self._ownerBefore(apex) == catalog.apex:
                    steps += self._claims(apex)
        return steps

    def _claims(self, apex: bytes) -> list[CatalogStep]:
        """
        Assign a zone to a catalog that waits for it, if possible now.
        """
        for name in list(self.clashes.get(apex, ())):
            catalog = self._catalogs.get(name)
            member = None if catalog is None else catalog.members.get(apex)
            if member is None:
                self._unclash(apex, name)
                continue
            steps = self._want(name, member)
            if steps:
                return steps
        return []

    def _want(self, catalog: bytes, member: Member) -> list[CatalogStep]:
        apex = member.apex
        if self._isOurs(apex) or apex in self._catalogs:
            self._clash(apex, catalog, "there is such a zone already")
            return []
        owned = self._owned.get(apex)
        if owned is None:
            before = self._ownerBefore(apex)
            if before and before != catalog and before not in self._complete:
                self._clash(apex, catalog, f"it is a zone of {nameToText(before)}, which has not been read since the start")
                return []
            self._take(apex, catalog, member)
            return [CatalogStep("add", catalog, member)]
        owner, known = owned
        if owner == catalog:
            self._owned[apex] = (catalog, member)
            if known.label != member.label:
                # RFC 9432, section 5.4.
                return [CatalogStep("reset", catalog, member)]
            return [CatalogStep("change", catalog, member)] if known.groups != member.groups else []
        if known.coo != catalog or member.coo == owner:
            self._clash(apex, catalog, f"it is a zone of {nameToText(owner)}, which does not let go of it")
            return []
        self._take(apex, catalog, member)
        if apex in self._catalogs[owner].members:
            self._clash(apex, owner, f"it has moved to {nameToText(catalog)}")
        # The zone keeps its state if it keeps its label (RFC 9432, sections 5.5 and 5.6).
        return [CatalogStep("change" if known.label == member.label else "reset", catalog, member)]

    def _take(self, apex: bytes, catalog: bytes, member: Member) -> None:
        self._owned[apex] = (catalog, member)
        self._unclash(apex, catalog)

    def _clash(self, apex: bytes, catalog: bytes, why: str) -> None:
        self.clashes.setdefault(apex, {})[catalog] = why

    def _unclash(self, apex: bytes, catalog: bytes) -> None:
        waiting = self.clashes.get(apex)
        if waiting is not None:
            waiting.pop(catalog, None)
            if not waiting:
                del self.clashes[apex]


def _finished(steps: Steps) -> list[CatalogStep]:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("list[CatalogStep]", end.value)
