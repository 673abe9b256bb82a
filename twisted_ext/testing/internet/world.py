"""
The internet itself: its zones, servers and clients, and its time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, ip_address
from typing import TYPE_CHECKING, Final, TypeVar

from twisted.internet.base import DelayedCall
from twisted.internet.error import CannotListenError

from twisted_ext.testing.datagrams import Datagram, normal
from twisted_ext.testing.internet.faults import NONE, Fault, faultFrom
from twisted_ext.testing.internet.hosts import MEASUREMENTS, OwnHost, addressFor
from twisted_ext.testing.internet.keyplans import KeyPlan
from twisted_ext.testing.internet.nameservers import Exchange, NameServer
from twisted_ext.testing.internet.recording import recordingOf
from twisted_ext.testing.internet.seededsigner import Params
from twisted_ext.testing.internet.signatures import SigningZone
from twisted_ext.testing.internet.zones import Delegation, InternetZone, checkedRecords
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.wire.codes import AD, CD, DO, RD
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import (
    ROOT,
    isBelow,
    labelCount,
    labelsOf,
    nameFromLabels,
    nameFromText,
    nameToText,
    parentOf,
)
from twisted_ext.wire.rdata.text import recordToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS, typeNumber

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.answers import Answer
    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["Internet"]

_T = TypeVar("_T")

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)

#: Octets of the headers of IP and UDP.
_HEADERS: Final = {4: 28, 6: 48}

_TTL: Final = 3600
_ROOT_TTL: Final = 518_400

_ROOT_SERVERS: Final = ("a.root-servers.net", "b.root-servers.net")


class Internet:
    """
    A deterministic internet on a memory network: the root, its TLDs and the zones of a test, signed with real keys, on servers that can be
    given faults, at a time that the test advances.

    Everything follows from the seed, the start and what the test does: addresses, keys, signatures, lost datagrams.

    @ivar network: the network.
    @ivar seed: the seed.
    @ivar start: the Unix time at which the network's clock stood when the internet was made.
    @ivar zones: all zones by their folded names in wire format.
    @ivar servers: all servers by their folded names in wire format.
    @ivar exchanges: the latest queries with their replies, in order.
    """

    def __init__(
        self,
        network: MemoryNetwork | None = None,
        seed: int = 0,
        start: datetime | float = _START,
        *,
        signed: bool | KeyPlan = True,
        families: Sequence[int] = (4, 6),
        rtt: float = 0.02,
        rootServers: Sequence[str] = _ROOT_SERVERS,
        remember: int = 10_000,
        prefix: str | IPv4Network = MEASUREMENTS,
    ) -> None:
        """
        @param network: the network to use, whose links are left as they are; by default a new one.
        @param seed: for addresses, keys and the network's random numbers.
        @param start: the time at which it begins, as a date or in Unix seconds.
        @param signed: whether zones are signed for which the test does not say so, or their key plan.
        @param families: 4, 6 or both: which addresses servers and clients get.
        @param rtt: the round-trip time between two hosts, in seconds.
        @param rootServers: the names of the root's servers.
        @param remember: the exchanges to keep for C{exchanges} and L{recording}.
        @param prefix: the IPv4 addresses of servers, such as C{"127.53.0.0/16"} for L{listen}.
        """
        if network is None:
            network = MemoryNetwork(seed=seed)
            network.link.delay = rtt / 2
            # Otherwise a million look-ups would all be kept.
            network.recording = False
        self.network = network
        self.seed = seed
        self.start = start.timestamp() if isinstance(start, datetime) else float(start)
        self.families = tuple(families)
        self._prefix = IPv4Network(prefix)
        self.zones: dict[bytes, InternetZone] = {}
        self.servers: dict[bytes, NameServer] = {}
        self.exchanges: deque[Exchange] = deque(maxlen=remember)
        self._signed = signed
        self._began = network.clock.seconds()
        self._taken: set[str] = set()
        self._automatic: set[bytes] = set()
        self._clients = 0
        self._rootServers = tuple(rootServers)
        self._make(ROOT, [], self._rootServers, None, None, None)
        self._automatic.add(ROOT)

    # -- time

    def time(self) -> float:
        """
        Return the time in Unix seconds, like C{time.time}.
        """
        return self.start + self.network.clock.seconds() - self._began

    def advance(self, seconds: float = 0.0) -> None:
        """
        Let time pass, with all that happens in it.

        @param seconds: how long; 0 for what is due now.

        @raise ValueError: C{seconds} is negative.
        """
        self.network.advance(seconds)

    def after(self, seconds: float, function: Callable[..., object], *args: object) -> None:
        """
        Call a function later, such as L{inject}.
        """
        self.network.clock.callLater(seconds, function, *args)

    def wait(self, deferred: Deferred[_T], most: float = 60.0) -> _T:
        """
        Let time pass until a Deferred has fired.

        @param most: seconds to wait at most.

        @return: its result; a failure is raised.

        @raise TimeoutError: it did not fire.
        """
        from twisted.python.failure import Failure

        results: list[_T | Failure] = []
        deferred.addBoth(results.append)
        clock = self.network.clock
        end = clock.seconds() + most
        while not results:
            clock.calls.sort(key=DelayedCall.getTime)
            following = clock.calls[0].getTime() if clock.calls else end + 1
            if following > end:
                raise TimeoutError(f"no result after {most:g} seconds")
            self.network.advance(max(0.0, following - clock.seconds()))
        result = results[0]
        if isinstance(result, Failure):
            result.raiseException()
        return result

    # -- building

    def zone(
        self,
        name: str,
        records: str | Iterable[RRSet] = "",
        servers: Sequence[str] | None = None,
        *,
        signed: bool | KeyPlan | None = None,
        nsec3: Params | bool | None = None,
        delegation: Delegation | None = None,
    ) -> InternetZone:
        """
        Add a zone, with the zones above it that are missing.

        @param records: its records, as a master file or as RRsets. SOA and NS records, the addresses of its servers and delegations to
            other zones of the internet are added unless they are there.
        @param servers: names of its servers or their addresses; by default two in the zone itself, C{ns1} and C{ns2}. Servers may be shared
            by zones; one that is in no zone gets a zone of its own.
        @param signed: whether it is signed, or its key plan.
        @param nsec3: use NSEC3 in place of NSEC.
        @param delegation: how the parent's view of it differs.

        @raise ValueError: there is such a zone already.
        @raise twisted_ext.errors.BadName: the name is not valid.
        @raise twisted_ext.errors.BadZone: the records are not valid, or do not make a zone.
        """
        apex = nameFromText(name).lower()
        if apex in self.zones and apex not in self._automatic:
            raise ValueError(f"there is a zone {nameToText(apex)} already; use its add, replace and remove")
        given = checkedRecords(apex, records)
        self._automatic.discard(apex)
        return self._make(apex, given, servers, signed, nsec3, delegation)

    def variant(self, name: str, records: str | Iterable[RRSet], servers: Sequence[str]) -> InternetZone:
        """
        Have some servers serve other records for an existing zone: servers that disagree, or those of a former owner.

        @param records: the records, in place of those of the zone.
        @param servers: the servers that have them, whether the zone names them or not.

        @return: the variant, which has the keys of the zone. Faults of the zone do not affect it, those of its servers do.

        @raise ValueError: there is no such zone.
        @raise twisted_ext.errors.BadZone: the records are not valid, or do not make a zone.
        """
        zone = self._zoneAt(name)
        given = checkedRecords(zone.apex, records)
        other = InternetZone(zone.apex, given, zone.servers, zone.signing, zone.nsec3, zone.delegation, zone.digested)
        other.children, other.hosts = zone.children, zone.hosts
        for text in servers:
            self._host(nameFromText(text), (), zone).zones[zone.apex] = other
        return other

    def delegate(self, name: str, delegation: Delegation | None) -> None:
        """
        Change what the parent has for a zone.

        @param delegation: L{None} to remove the delegation, while the zone's servers go on serving it.

        @raise ValueError: there is no such zone.
        """
        zone = self._zoneAt(name)
        if zone.apex == ROOT:
            raise ValueError("the root has no parent")
        above = self._zoneOf(parentOf(zone.apex))
        if delegation is None:
            above.children = [child for child in above.children if child is not zone]
        else:
            zone.delegation = delegation
            if zone not in above.children:
                above.children.append(zone)
        above.changed()

    def server(self, name: str, *addresses: str) -> NameServer:
        """
        Return a server, which is added if there is none of that name. It serves the zones that name it.

        @param addresses: its addresses, by default ones that follow from the seed. They cannot be changed later.
        """
        return self._host(nameFromText(name), addresses)

    def listen(self, reactor: IReactorTime, port: int) -> None:
        """
        Serve on sockets of this machine as well, at the addresses of all servers that there are, for other programs. Faults apply there,
        links do not. Signatures are valid for two weeks from C{start}, which should be the present time.

        @param reactor: a real reactor.
        @param port: that of all servers.

        @raise CannotListenError: this machine does not have an address, or the port is in use; none is left open.
        """
        try:
            for server in self.servers.values():
                for address in server.addresses:
                    server.listen(reactor, port, address)
        except CannotListenError:
            self.close()
            raise

    def close(self) -> Deferred[None]:
        """
        Close the ports and connections of all servers.
        """
        from twisted.internet.defer import gatherResults

        return gatherResults([server.close() for server in self.servers.values()]).addCallback(lambda _: None)

    def reactor(self, *addresses: str) -> MemoryReactor:
        """
        Add a client.

        @param addresses: its addresses, by default the next ones of C{192.0.2.1} and C{2001:db8::1}.

        @return: its reactor.
        """
        if not addresses:
            self._clients += 1
            high, low = divmod(self._clients, 254)
            ours = {4: f"192.0.{2 + high}.{low or 254}", 6: f"2001:db8::{self._clients:x}"}
            addresses = tuple([ours[family] for family in self.families])
        return self.network.reactor(*addresses)

    def _make(
        self,
        apex: bytes,
        records: list[RRSet],
        servers: Sequence[str] | None,
        signed: bool | KeyPlan | None,
        nsec3: Params | bool | None,
        delegation: Delegation | None,
    ) -> InternetZone:
        above = None if apex == ROOT else self._parentFor(apex)
        how = self._signed if signed is None else signed
        plan = how if isinstance(how, KeyPlan) else KeyPlan() if how else None
        signing = None if plan is None else SigningZone(apex, plan, b"%d/%b" % (self.seed, apex), self.start)
        parameters = Params() if nsec3 is True else nsec3 or None
        # The root has a digest, with which resolvers check copies of it (RFC 8806).
        zone = InternetZone(apex, records, (), signing, parameters, delegation or Delegation(), apex == ROOT)
        before = self.zones.get(apex)
        self.zones[apex] = zone
        self._adopt(zone, above, before)
        names = self._rootServers if apex == ROOT and servers is None else servers
        zone.servers = [self._named(zone, number, each) for number, each in enumerate(names or self._usual(apex), 1)]
        for server in zone.servers:
            server.zones[apex] = zone
            if apex == ROOT:
                # Resolvers that prime get the addresses with the names (RFC 9609, section 4).
                server.minimal = False
                zone.hosts[server.name.lower()] = server
        return zone

    def _usual(self, apex: bytes) -> tuple[str, ...]:
        name = nameToText(apex)
        return (f"a.nic.{name}", f"b.nic.{name}") if labelCount(apex) == 1 else (f"ns1.{name}", f"ns2.{name}")

    def _parentFor(self, apex: bytes) -> InternetZone:
        top = nameFromLabels(labelsOf(apex)[-1:])
        if top != apex and top not in self.zones:
            self._automatic.add(top)
            self._make(top, [], None, None, None, None)
        return self._zoneOf(parentOf(apex))

    def _zoneOf(self, name: bytes) -> InternetZone:
        """
        Return the zone that a name is in.
        """
        zone = self.zones.get(name)
        while zone is None:
            name = parentOf(name)
            zone = self.zones.get(name)
        return zone

    def _adopt(self, zone: InternetZone, above: InternetZone | None, before: InternetZone | None) -> None:
        """
        Link a zone with the ones around it: its parent, the zones below it, and the hosts in it.
        """
        if before is not None:
            for server in before.servers:
                server.zones.pop(zone.apex, None)
            zone.children = before.children
            zone.hosts = before.hosts
        if above is not None:
            if before is not None:
                above.children.remove(before)
            else:
                zone.children = [child for child in above.children if isBelow(child.apex, zone.apex)]
                zone.hosts = {host: server for host, server in above.hosts.items() if isBelow(host, zone.apex)}
                above.children = [child for child in above.children if child not in zone.children]
                if above.apex != ROOT:
                    above.hosts = {host: server for host, server in above.hosts.items() if host not in zone.hosts}
            above.children.append(zone)
            above.changed()
            if zone.signing is not None:
                zone.signing.parent = above.signing
        for child in zone.children:
            if child.signing is not None:
                child.signing.parent = zone.signing

    def _named(self, zone: InternetZone, number: int, text: str) -> NameServer:
        try:
            address = str(ip_address(text))
        except ValueError:
            return self._host(nameFromText(text), (), zone)
        return self._host(nameFromText(f"ns{number}", zone.apex), (address,), zone)

    def _host(self, name: bytes, addresses: Sequence[str], of: InternetZone | None = None) -> NameServer:
        folded = name.lower()
        server = self.servers.get(folded)
        if server is None:
            chosen = [normal(each) for each in addresses] or [
                addressFor(self.seed, folded, each, self._taken, self._prefix) for each in self.families
            ]
            self._taken.update(chosen)
            reactor = self.network.reactor(*chosen)
            server = NameServer(name, chosen, reactor, self.zones, self.time, self.exchanges.append)
            self.servers[folded] = server
        elif addresses and {normal(each) for each in addresses} != set(server.addresses):
            raise ValueError(f"{nameToText(name)} has the addresses {', '.join(server.addresses)} already")
        if of is not None and of.apex != ROOT:
            self._place(folded, server, of)
        return server

    def _place(self, host: bytes, server: NameServer, of: InternetZone) -> None:
        """
        Have a zone with the addresses of a server.

        @param of: a zone that it serves.
        """
        zone = self._zoneOf(host)
        if zone is not of and labelCount(zone.apex) < 2 < labelCount(host):
            apex = nameFromLabels(labelsOf(host)[-2:])
            if apex not in self.zones:
                self._automatic.add(apex)
                self._make(apex, [], (nameToText(server.name),), None, None, None)
            zone = self._zoneOf(host)
        if host not in zone.hosts:
            zone.hosts[host] = server
            zone.changed()

    # -- what resolvers need

    def resolver(self, reactor: MemoryReactor | None = None, anchors: str | None = None) -> NamesResolver:
        """
        Return a resolver that resolves from the root of this internet, at its time, validates and caches.

        @param reactor: that of a client; by default a new one.
        @param anchors: its trust anchors, as L{anchors} returns them; by default those of now.
        """
        from twisted_ext.compat.names import NamesResolver
        from twisted_ext.dnssec.anchors.formats import anchorsFromFile
        from twisted_ext.dnssec.validation import Validator
        from twisted_ext.recursion.hints import rootFromText
        from twisted_ext.resolver.recursive.configured import Trust
        from twisted_ext.resolver.recursive.source import recursiveStack

        here = self.reactor() if reactor is None else reactor
        text = self.anchors if anchors is None else anchors
        trust = Trust(anchorsFromFile(text, "anchors", int(self.time())).anchors if text else ())
        root = rootFromText(self.hints, "hints")
        return NamesResolver(recursiveStack(here, root, validator=Validator(trust.at), today=self.time), here)

    @property
    def hints(self) -> str:
        """
        The root's servers, as a root hints file.
        """
        lines: list[str] = []
        for server in self.zones[ROOT].servers:
            lines.append(f".\t{_ROOT_TTL}\tIN\tNS\t{nameToText(server.name)}")
            for address in server.addresses:
                lines.append(f"{nameToText(server.name)}\t{_ROOT_TTL}\tIN\t{'AAAA' if ':' in address else 'A'}\t{address}")
        return "\n".join(lines) + "\n"

    @property
    def anchors(self) -> str:
        """
        The DS records of the root's present keys, as lines of a master file; empty if the root is not signed.
        """
        return self.anchorsOf(".")

    def anchorsOf(self, name: str) -> str:
        """
        Return the DS records of a zone's present keys, as lines of a master file; empty if the zone is not signed.

        @raise ValueError: there is no such zone.
        """
        zone = self._zoneAt(name)
        if zone.signing is None:
            return ""
        rdatas = zone.signing.delegation(self.time(), NONE)
        lines = recordToText(RRSet(zone.apex, DS, 1, zone.signing.plan.dsTTL, rdatas))
        return "".join([line + "\n" for line in lines])

    def ask(
        self,
        server: str | NameServer,
        name: str,
        rrType: str = "A",
        *,
        dnssecOk: bool = True,
        edns: bool = True,
        payload: int = 1232,
        transport: str = "udp",
        flags: int = 0,
    ) -> Message | None:
        """
        Ask a server directly, without the network.

        @param server: a server, or its name or one of its addresses.
        @param flags: bits of the header: RD, CD, AD.

        @return: the reply; L{None} if there is none.
        """
        number = typeNumber(rrType)
        if number is None:
            raise ValueError(f"{rrType!r} is not a record type")
        opt = EDNS(payload, DO if dnssecOk else 0) if edns else None
        query = Message(0, flags & (RD | CD | AD), (Question(nameFromText(name), number),), edns=opt)
        asked = server if isinstance(server, NameServer) else self._serverAt(server)
        reply = asked.replyTo(query, transport)
        return Message.fromWire(reply) if reply else None

    # -- faults and links

    def inject(self, fault: Fault | str, at: str, *, name: str | None = None, rrType: str | None = None) -> None:
        """
        Set a fault.

        @param fault: the fault or its value, such as C{"expired"}.
        @param at: the name of a zone, the name or an address of a server, or an address of another host, which can be C{DEAD} or C{CLOSED}.
        @param name: only for this name; for faults of signatures, only for those of its records.
        @param rrType: only for this type.

        @raise ValueError: there is no such fault, zone, server or host, or the fault is not one of it.
        """
        known = faultFrom(fault)
        only = None if name is None else nameFromText(name).lower()
        number = None if rrType is None else typeNumber(rrType)
        if rrType is not None and number is None:
            raise ValueError(f"{rrType!r} is not a record type")
        where = self._target(at)
        if isinstance(where, OwnHost):
            if only is not None or number is not None:
                raise ValueError(f"{at} is not a name server, so that its faults are not for a name or a type")
            where.begin(known)
            return
        if known is Fault.CLOSED:
            if not isinstance(where, NameServer):
                raise ValueError(f"{known.name} is for servers; {at!r} is a zone")
            where.shut()
        elif known is Fault.NSEC3_ITERATIONS and (isinstance(where, NameServer) or where.nsec3 is None):
            raise ValueError(f"{known.name} is for zones with NSEC3; {at!r} is not one")
        where.faults.add(known, only, number, self.time())

    def clear(self, fault: Fault | str | None = None, at: str | None = None) -> None:
        """
        End a fault, or all.

        @param fault: as for L{inject}; L{None} for all.
        @param at: the zone, server or host, L{None} for everywhere.

        @raise ValueError: there is no such fault, zone, server or host.
        """
        known = None if fault is None else faultFrom(fault)
        everywhere: list[NameServer | InternetZone | OwnHost]
        everywhere = [*self.servers.values(), *self.zones.values(), *map(OwnHost, self.network.hosts)]
        for where in everywhere if at is None else [self._target(at)]:
            if isinstance(where, OwnHost):
                where.end(known)
                continue
            where.faults.remove(known)
            if isinstance(where, NameServer) and known in (None, Fault.CLOSED):
                where.open()

    def link(
        self,
        at: str,
        *,
        rtt: float = 0.02,
        jitter: float = 0.0,
        loss: float = 0.0,
        duplicate: float = 0.0,
        mtu: int | None = None,
        silent: bool = False,
    ) -> None:
        """
        Set the link of a server to all other hosts, those of all servers of a zone, or that of another host.

        @param at: the name of a zone, the name or an address of a server, or an address of another host; an address means only that.
        @param rtt: the round-trip time in seconds.
        @param jitter: up to this many seconds more for each datagram.
        @param loss: the share of datagrams that are lost in each direction, from 0 to 1.
        @param duplicate: the share of datagrams that arrive twice.
        @param mtu: octets of the largest packet; larger datagrams are lost, as where fragments are dropped.
        @param silent: lose everything.
        """
        where = self._target(at)
        addresses = [each for server in where.servers for each in server.addresses] if isinstance(where, InternetZone) else where.addresses
        try:
            addresses = (normal(at),)
        except ValueError:
            pass
        for address in addresses:
            admit = None if mtu is None else _within(mtu - _HEADERS[6 if ":" in address else 4])
            for destination, source in ((address, None), (None, address)):
                self.network.shape(
                    destination, source, delay=rtt / 2, jitter=jitter, loss=loss, duplicate=duplicate, silent=silent, admit=admit
                )

    def _target(self, at: str) -> NameServer | InternetZone | OwnHost:
        try:
            return self._serverAt(at)
        except ValueError:
            pass
        try:
            return self._zoneAt(at)
        except ValueError:
            pass
        try:
            host = self.network.hostAt(normal(at))
        except ValueError:
            host = None
        if host is None:
            raise ValueError(f"there is no server, zone or host {at!r}; use one of {self._known()}, or the address of a host")
        return OwnHost(host)

    def _known(self) -> str:
        names = [nameToText(name) for name in (*self.zones, *self.servers)]
        return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")

    def _serverAt(self, at: str) -> NameServer:
        server = None
        try:
            address = normal(at)
        except ValueError:
            server = self.servers.get(nameFromText(at).lower())
        else:
            server = next((each for each in self.servers.values() if address in each.addresses), None)
        if server is None:
            raise ValueError(f"there is no server {at!r}")
        return server

    def _zoneAt(self, name: str) -> InternetZone:
        zone = self.zones.get(nameFromText(name).lower())
        if zone is None:
            raise ValueError(f"there is no zone {name!r}")
        return zone

    # -- recording

    def recording(self, title: str = "", steps: Sequence[tuple[Question, Message | Answer]] = (), *, complete: bool = False) -> str:
        """
        Write down what was asked and answered, as a replay scenario (C{.rpl}) in the format of Unbound's tests.

        @param title: its title.
        @param steps: the questions of the client, each with the answer that it got: C{result.answer}, or the message of the reply.
        @param complete: ask the other servers of each zone the same questions now, for resolvers that choose other servers.
        """
        return recordingOf(self, title, steps, complete)


def _within(most: int) -> Callable[[Datagram], bool]:
    return lambda datagram: len(datagram.octets) <= most
