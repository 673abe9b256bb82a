"""
Which zone is from which catalog, and what another version of a catalog changes in that (RFC 9432).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final, cast

from twisted_ext.wire.names import nameToText
from twisted_ext.zone.catalog.catalogs import Catalog, Member

__all__ = ["Catalogs", "Step", "Steps"]

#: Zones that are looked at in one step: a millisecond.
_STEP: Final = 500


class Step:
    """
    One thing to be done.

    @ivar kind: C{"add"} a zone; C{"remove"} it, and forget all about it; C{"reset"} it: forget all about it and begin anew; C{"change"} how
        it is treated: another catalog has it now, or its groups are other ones, and its records stay.
    @ivar catalog: that lists it, folded; of a zone that goes, that did.
    @ivar member: the zone.
    """

    __slots__ = ("kind", "catalog", "member")

    def __init__(self, kind: str, catalog: bytes, member: Member) -> None:
        self.kind = kind
        self.catalog = catalog
        self.member = member

    def __repr__(self) -> str:
        return f"<Step {self.kind} {self.member} of {nameToText(self.catalog)}>"


#: Finds out what is to be done, in steps between which others may have their turn.
Steps = Generator[None, None, list[Step]]


class Catalogs:
    """
    All catalogs that a server follows, and which of them each zone is from.
    """

    def __init__(
        self,
        isOurs: Callable[[bytes], bool] = lambda apex: False,
        ownerBefore: Callable[[bytes], bytes] = lambda apex: b"",
    ) -> None:
        """
        @param isOurs: says of a folded name whether there is such a zone by other means, which no catalog may touch (RFC 9432, section
            5.2).
        @param ownerBefore: gives the followed catalog that owned a zone, by its folded name, in an earlier process; C{b""} for none. Until
            that catalog has been read, no other one gets the zone.
        """
        self._isOurs = isOurs
        self._ownerBefore = ownerBefore
        # Catalogs of which a whole version has been gone through.
        self._complete: set[bytes] = set()
        self._catalogs: dict[bytes, Catalog] = {}
        self._owned: dict[bytes, tuple[bytes, Member]] = {}
        #: Zones that a catalog lists and that are somebody else's, by their names: the catalog, and why it does not get them.
        self.clashes: dict[bytes, dict[bytes, str]] = {}

    def __len__(self) -> int:
        return len(self._owned)

    def catalog(self, apex: bytes) -> Catalog | None:
        """
        @return: what a catalog said when it was last followed.
        """
        return self._catalogs.get(apex)

    def ownerOf(self, apex: bytes) -> tuple[bytes, Member] | None:
        """
        @return: the catalog that a zone is from, and what that says of it.
        """
        return self._owned.get(apex)

    def members(self, catalog: bytes) -> list[Member]:
        """
        @return: the zones that a catalog has, those left out that are another one's.
        """
        return [member for owner, member in self._owned.values() if owner == catalog]

    def follow(self, catalog: Catalog) -> list[Step]:
        """
        Go over to another version of a catalog, or take in its first.

        @return: what is to be done, in order.
        """
        return _finished(self.following(catalog))

    def following(self, catalog: Catalog) -> Steps:
        """
        Do what L{follow} does, in short steps. Where the catalog is left or follows another version meanwhile, what has been found until
        then is all there is to be done.
        """
        before = self._catalogs.get(catalog.apex)
        self._catalogs[catalog.apex] = catalog
        return (yield from self._settle(catalog, before))

    def leave(self, apex: bytes) -> list[Step]:
        """
        Follow a catalog no more: its zones go.

        @param apex: its name, folded.
        """
        before = self._catalogs.pop(apex, None)
        self._complete.discard(apex)
        if before is None:
            return []
        # What it listed before that, if not all of that has been gone through.
        left = {member.apex: member for member in self.members(apex)}
        return _finished(self._settle(Catalog(apex, before.serial, {}), Catalog(apex, before.serial, {**left, **before.members})))

    def reconsider(self) -> list[Step]:
        """
        Look again at what could not be had, after zones of other means have come or gone.
        """
        steps: list[Step] = []
        for apex, (catalog, member) in list(self._owned.items()):
            if self._isOurs(apex):
                # Whoever said so by hand has taken it over, records and all.
                del self._owned[apex]
                self._clash(apex, catalog, "there is such a zone already")
                steps.append(Step("remove", catalog, member))
        for apex in list(self.clashes):
            steps += self._claims(apex)
        return steps

    def _settle(self, catalog: Catalog, before: Catalog | None) -> Steps:
        steps: list[Step] = []
        former = {} if before is None else before.members
        released: list[bytes] = []
        # Others may have changed what is followed by the time that this goes on.
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
                steps.append(Step("remove", catalog.apex, member))
                released.append(apex)
        for count, (apex, member) in enumerate(catalog.members.items()):
            if not count % _STEP:
                yield
                if self._catalogs.get(catalog.apex) is not current:
                    return steps
            owned = self._owned.get(apex)
            # What has it already, the same as ever, is most of them.
            if owned is None or owned[1] is not member or owned[0] != catalog.apex:
                steps += self._want(catalog.apex, member)
        for apex in released:
            steps += self._claims(apex)
        # Who was told that a zone may move may have been waiting for that.
        for apex, member in catalog.members.items():
            if member.coo and apex in self.clashes:
                steps += self._claims(apex)
        if catalog.apex in self._catalogs and catalog.apex not in self._complete:
            self._complete.add(catalog.apex)
            # Zones that it owned before a restart and does not list any more.
            for count, apex in enumerate(list(self.clashes)):
                if not count % _STEP:
                    yield
                if self._ownerBefore(apex) == catalog.apex:
                    steps += self._claims(apex)
        return steps

    def _claims(self, apex: bytes) -> list[Step]:
        """
        Give a zone to a catalog that waits for it, if it may have it now.
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

    def _want(self, catalog: bytes, member: Member) -> list[Step]:
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
            return [Step("add", catalog, member)]
        owner, known = owned
        if owner == catalog:
            self._owned[apex] = (catalog, member)
            if known.label != member.label:
                # RFC 9432, section 5.4.
                return [Step("reset", catalog, member)]
            return [Step("change", catalog, member)] if known.groups != member.groups else []
        if known.coo != catalog or member.coo == owner:
            self._clash(apex, catalog, f"it is a zone of {nameToText(owner)}, which does not let go of it")
            return []
        self._take(apex, catalog, member)
        if apex in self._catalogs[owner].members:
            self._clash(apex, owner, f"it has moved to {nameToText(catalog)}")
        # What is known of it stays where it keeps its label (RFC 9432, sections 5.5 and 5.6).
        return [Step("change" if known.label == member.label else "reset", catalog, member)]

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


def _finished(steps: Steps) -> list[Step]:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("list[Step]", end.value)
