"""
The internet that the resolvers share: which zones it has, and who serves them.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from tests.live.differential.curious import addCurious
from tests.live.differential.faulty import BOGUS, MISBEHAVING, addBogus, addMisbehaving
from tests.live.differential.ordinary import TOPS, addFamilies, addTops, familiesFor
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rdata.text import recordToText

if TYPE_CHECKING:
    from tests.live.differential.questions import Case
    from twisted_ext.testing.internet import NameServer

__all__ = ["World", "fileOf"]

_SEED: Final = 12

#: Faults of the small world: none that makes a resolver wait.
_FEW_BOGUS: Final = (
    Fault.EXPIRED, Fault.MISSING_SIGNATURE, Fault.WRONG_PUBLIC_KEY, Fault.DS_OF_OTHER_KEY, Fault.UNSUPPORTED_ALGORITHM, Fault.MISSING_NSEC,
)  # fmt: skip
_FEW_MISBEHAVING: Final = (
    Fault.REFUSES, Fault.NOT_IMPLEMENTED, Fault.FORMERR_EDNS, Fault.TRUNCATES, Fault.CHANGES_CASE, Fault.EMPTY_IS_NXDOMAIN,
    Fault.MINIMISED_REFUSED,
)  # fmt: skip


class World:
    """
    The internet, and the questions for it.

    @ivar internet: its zones and servers.
    @ivar cases: the questions, in random order.
    """

    def __init__(self, now: float, names: int, small: bool = False) -> None:
        """
        @param now: seconds since 1970.
        @param names: how many names to ask for.
        @param small: leave out what takes long.
        """
        internet = self.internet = Internet(seed=_SEED, start=now, families=(4,), remember=1)
        addTops(internet)
        cases = list(addBogus(internet, "bogus", _FEW_BOGUS if small else BOGUS))
        cases += addMisbehaving(internet, "servers", _FEW_MISBEHAVING if small else MISBEHAVING)
        if not small:
            cases += addCurious(internet, "curious")
        self._served: dict[str, str] = {}
        cases += addFamilies(internet, familiesFor(names - len(cases)), self._served)
        Random(_SEED).shuffle(cases)
        self.cases: list[Case] = cases

    def own(self) -> list[NameServer]:
        """
        Return the servers that no other program plays.
        """
        others = {server for servers in self._parts().values() for server in servers}
        return [server for server in self.internet.servers.values() if server not in others and Fault.CLOSED not in server.faults]

    def write(self, folder: Path) -> dict[str, dict[str, list[str]]]:
        """
        Write the zones of other programs as master files, named like their zones.

        @return: C{addresses} and C{zones} by program, with a number where there are several instances of it.
        """
        written: dict[str, dict[str, list[str]]] = {}
        for part, servers in self._parts().items():
            zones = {apex: zone for server in servers for apex, zone in server.zones.items()}
            for apex, zone in zones.items():
                sets = servers[0].transfer(zone)[:-1]
                lines = [f"{line}\n" for rrset in sets for line in recordToText(rrset)]
                (folder / fileOf(nameToText(apex))).write_text("".join(lines), "utf-8")
            addresses = [address for server in servers for address in server.addresses]
            written[part] = {"addresses": addresses, "zones": [nameToText(apex) for apex in zones]}
        return written

    def _parts(self) -> dict[str, list[NameServer]]:
        """
        Return the servers that other programs play, by program and number: those of the root, of TLDs and of zones below them are instances
        of their own, since a server that has a zone never refers to it.
        """
        zones = self.internet.zones
        parts: dict[str, list[NameServer]] = defaultdict(list)
        parts["nsd-0"] += zones[ROOT].servers
        for top in TOPS:
            if top.server != "own":
                parts[f"{top.server}-1"] += zones[nameFromText(top.name)].servers
        parts["nsd-2"] += zones[nameFromText("hosts.alpha")].servers
        for name, program in self._served.items():
            if program != "own":
                parts[f"{program}-2"].append(self.internet.server(name))
        return parts


def fileOf(zone: str) -> str:
    """
    Return the name of the master file of a zone.
    """
    return f"zone-{zone.rstrip('.') or 'root'}"
