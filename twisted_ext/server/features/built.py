"""
The features that are switched on in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from twisted_ext.server.features import order

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource, IQueryObserver
    from twisted_ext.server.features.base.feature import Active, Part, Site, Stage
    from twisted_ext.server.reply.gates import Gate
    from twisted_ext.server.setup.offer import Offer

__all__ = ["Features"]


class Features:
    """
    The features that the settings of a site switch on.

    @ivar site: where they are.
    @ivar active: each by its name, in the order in which a query meets them.
    """

    def __init__(self, site: Site, former: Features | None = None) -> None:
        """
        Make them. They are in force once L{begin} is called; the former ones are until then, and have to be closed after it.

        @param former: those in force.

        @raise twisted_ext.errors.BadDescription: the settings cannot be used. Nothing has changed then.
        """
        self.site = site
        self.active: dict[str, Active] = {}
        before = {} if former is None else former.active
        try:
            for feature in order.ORDER:
                if site.settings.role not in feature.roles:
                    continue
                made = feature.make(site, before.get(feature.name))
                if made is not None:
                    self.active[feature.name] = made
        except BaseException:
            self.close(before)
            raise

    def begin(self) -> None:
        for active in self.active.values():
            active.begin()

    def close(self, heirs: Mapping[str, Active] | None = None) -> None:
        """
        @param heirs: those which go on with what they share, by name.
        """
        for name, active in self.active.items():
            active.close(None if heirs is None else heirs.get(name))

    def listening(self, offer: Offer | None) -> None:
        for active in self.active.values():
            active.listening(offer)

    def look(self) -> None:
        for active in self.active.values():
            active.look()

    def rereads(self) -> list[str]:
        """
        Return what a reload reads again although no setting has changed.
        """
        return [active.rereads for active in self.active.values() if active.rereads]

    def nameOf(self, address: str) -> str:
        """
        Return the name that one of them knows for a client, C{""} for none.
        """
        return next((name for active in self.active.values() if (name := active.nameOf(address))), "")

    # -- what they add

    def gates(self, stage: Stage) -> list[Gate]:
        return [part.gate for part in self._partsAt(stage) if part.gate is not None]

    def observers(self) -> list[IQueryObserver]:
        """
        Return the observers that have something to watch now.
        """
        found = [active.observer() for active in self.active.values()]
        return [each for each in found if each is not None]

    def around(self, source: IAnswerSource, stage: Stage, steps: list[Callable[[], str]]) -> IAnswerSource:
        """
        Return C{source} with the sources of a stage around it.

        @param steps: gets what they say of themselves, the innermost one first.
        """
        for part in reversed(self._partsAt(stage)):
            if part.wrap is not None:
                source = part.wrap(source)
                steps.append(part.says)
        return source

    def _partsAt(self, stage: Stage) -> list[Part]:
        return [part for active in self.active.values() for part in active.parts if part.stage is stage]
