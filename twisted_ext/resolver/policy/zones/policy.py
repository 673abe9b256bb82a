"""
The response policy zones in force for the clients of one view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple

from twisted_ext.answers import Answer
from twisted_ext.resolver.policy.ruling import Ruling
from twisted_ext.resolver.policy.zones.actions import Action
from twisted_ext.resolver.policy.zones.rules import PolicyZones
from twisted_ext.resolver.policy.zones.verdict import Candidate, Hit, Selection, Servers, noServers
from twisted_ext.wire.message import Question

__all__ = ["TRIGGERS", "Choice", "ZonePolicy"]

#: What rules are about, by their numbers.
TRIGGERS: Final = ("client", "name", "address", "server-name", "server-address")

#: Clients of whom it is kept which rules are about them.
_CLIENTS: Final = 4096

#: Rules whose places are kept as text, which takes longer to make than anything else about a rule.
_PLACES: Final = 1024


class Choice(NamedTuple):
    """
    A zone that applies.

    @ivar name: by which people know it.
    @ivar action: what its rules do in place of what they say; L{None} for that.
    @ivar isTried: whether it is only counted what they would do.
    """

    name: str
    action: Action | None = None
    isTried: bool = False


class ZonePolicy(Ruling):
    """
    Response policy zones, and what they decide.

    @ivar zones: their rules, once they have been read.
    @ivar isTrying: whether some zones are on trial.
    @ivar servers: the servers of names, for rules about them; to be set before zones are applied.
    @ivar hits: how often rules have decided, by the zone, what they are about, and what they do; behind that of zones which are on
        trial is C{-trial}.
    """

    def __init__(self) -> None:
        super().__init__()
        self.zones: PolicyZones | None = None
        self.isTrying = False
        self.servers: Servers = noServers
        self.hits: Counter[tuple[str, str, str]] = Counter()
        self._choices: Sequence[Choice] = ()
        # By the numbers of zones, their names, and what is done in place of what rules say.
        self._names: Sequence[str] = ()
        self._actions: Mapping[int, Action] = {}
        self._selection: Selection | None = None
        self._tried: Selection | None = None
        self._clients: dict[str, Sequence[Candidate]] = {}
        self._places: dict[Candidate, str] = {}

    def apply(self, choices: Sequence[Choice]) -> None:
        """
        Apply these zones, in this order. Until the first rules are used, names wait for them.
        """
        self._choices = choices
        if choices and self.zones is None and not self.waits:
            self._waiting = {}
        elif not choices:
            self.zones = None
            self._go()
        self._changed()

    def use(self, zones: PolicyZones | None) -> None:
        """
        Use the rules of zones; L{None} if these could not be read.
        """
        if zones is not None:
            self.zones = zones
        # Before names go on.
        waiting, self._waiting = self._waiting, None
        self._changed()
        self._waiting = waiting
        self._go()

    def _changed(self) -> None:
        zones = self.zones
        self._names = [] if zones is None else [each.name for each in zones.zones]
        actions = {each.name: each.action for each in self._choices}
        self._actions = {number: action for number, name in enumerate(self._names) if (action := actions.get(name)) is not None}
        self._selection = self._selected(zones, isTried=False)
        self._tried = self._selected(zones, isTried=True)
        self.isTrying = self._tried is not None
        self._clients.clear()
        self._places.clear()
        self.given = self.waits or self.isTrying or self._selection is not None
        self._renumber()

    def _selected(self, zones: PolicyZones | None, *, isTried: bool) -> Selection | None:
        if zones is None:
            return None
        numbers = {name: number for number, name in enumerate(self._names)}
        chosen = [numbers[each.name] for each in self._choices if each.isTried is isTried and each.name in numbers]
        return Selection(zones, chosen, knowsServers=self.servers is not noServers) if chosen else None

    def ofClient(self, client: str | None) -> Sequence[Candidate]:
        """
        Return the rules about a client, by its address.
        """
        if not client or self._selection is None:
            return ()
        found = self._clients.get(client)
        if found is None:
            if len(self._clients) >= _CLIENTS:
                self._clients.clear()
            found = self._clients[client] = self._selection.ofClient(_packed(client))
        return found

    def before(self, name: bytes, ofClient: Sequence[Candidate]) -> Hit | None:
        """
        Return the rule that decides by the client and the name in question, see L{Selection.before}.
        """
        return None if self._selection is None else self._acting(self._selection.before(name, ofClient))

    def waitsFor(self, first: Hit | None) -> bool:
        """
        Return whether the answer has to be there before it is known which rule decides, see L{Selection.waits}.
        """
        return self._selection is not None and self._selection.waits(first)

    def after(self, question: Question, answer: Answer, first: Hit | None) -> Hit | None:
        """
        Return the rule that decides, once the answer is there, see L{Selection.after}.
        """
        return None if self._selection is None else self._acting(self._selection.after(question, answer, first, self.servers))

    @property
    def needsAnswers(self) -> bool:
        """
        Whether there are rules about addresses in answers, or about servers.
        """
        return self._selection is not None and self._selection.needsAnswers

    def tryOut(self, question: Question, client: str | None, answer: Answer | None) -> None:
        """
        Count what the zones on trial would decide. For the arguments see L{tried}.
        """
        hit = self.tried(question, client, answer)
        if hit is not None:
            self.count(hit, "-trial")

    def tried(self, question: Question, client: str | None, answer: Answer | None) -> Hit | None:
        """
        Return what the zones on trial would decide.

        @param answer: L{None} if that is not there.
        """
        tried = self._tried
        if tried is None:
            return None
        hit = tried.before(question.name, tried.ofClient(_packed(client)) if client else ())
        if answer is not None and tried.waits(hit):
            hit = tried.after(question, answer, hit, self.servers)
        return self._acting(hit)

    def count(self, hit: Hit, more: str = "") -> None:
        """
        Count that a rule has decided.

        @param more: is put behind what it does.
        """
        self.hits[self.nameOf(hit), TRIGGERS[hit.trigger], f"{hit.action.kind}{more}"] += 1

    def nameOf(self, hit: Hit) -> str:
        """
        Return the name of the zone of a rule.
        """
        return self._names[hit.zone]

    def placeOf(self, hit: Hit) -> str:
        """
        Return where a rule is: the name of the zone and the owner in it, with a colon between them.
        """
        key = hit.zone, hit.trigger, hit.found
        place = self._places.get(key)
        if place is None:
            if len(self._places) >= _PLACES:
                self._places.clear()
            place = self._places[key] = f"{self.nameOf(hit)}: {hit.owner}"
        return place

    def _acting(self, hit: Hit | None) -> Hit | None:
        """
        Return a rule with what is done in place of what it says, if anything is.
        """
        if hit is None:
            return None
        action = self._actions.get(hit.zone)
        return hit if action is None else hit._replace(action=action)


def _packed(client: str) -> bytes:
    try:
        return ip_address(client.partition("%")[0]).packed
    except ValueError:
        # That of a Unix socket has none.
        return b""
