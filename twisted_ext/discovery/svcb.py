"""
Turn SVCB and HTTPS records into targets to connect to (service binding, RFC 9460).

This module sends no queries. The caller creates a L{ServiceBinding}, looks up its C{name} and C{rrType}, passes the outcome to
L{ServiceBinding.learned}, and repeats this until the binding is C{done}.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from twisted_ext.discovery.limits import SERVICE_ALIASES, SERVICE_HINTS, SERVICE_TARGETS
from twisted_ext.discovery.targets import BEHIND, Target, checkedPort, hostIn, hostOf, protocolsIn
from twisted_ext.discovery.weights import ShufflingSource
from twisted_ext.errors import BadMessage, CallerFault, NotOffered, UnusableRecords
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rrtypes import HTTPS, SVCB

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.types.svcb import SVCB as SVCBRecord

__all__ = ["ServiceBinding", "DEFAULT_ALPN", "PORTS", "UNDERSTOOD", "questionFor"]

#: Default ports of schemes. With these, the port is not part of the queried name (RFC 9460, section 9.1; RFC 9461, section 3.1).
PORTS: Final = {"https": 443, "wss": 443, "dns": 53}

#: Schemes that use HTTPS records (RFC 9460, section 9.1).
_WEB: Final = frozenset(("https", "wss"))

#: The same schemes without TLS. Their records can be used only after an upgrade to the scheme with TLS (RFC 9460, section 9.5).
_PLAIN: Final = {"http": "https", "ws": "wss"}

#: Protocols that a server supports unless a record has no-default-alpn (RFC 9460, section 9.1.1).
DEFAULT_ALPN: Final[dict[str, tuple[str, ...]]] = {"https": ("http/1.1",), "wss": ("http/1.1",)}

#: Keys of supported parameters: mandatory, alpn, no-default-alpn, port, ipv4hint, ipv6hint.
UNDERSTOOD: Final = frozenset((0, 1, 2, 3, 4, 6))


def questionFor(scheme: str, host: str, port: int | None = None) -> tuple[bytes, int, int]:
    """
    Return the name and type to query, and the port if records specify none.

    @param scheme: C{"https"}, C{"wss"}, C{"dns"} or any other that has SVCB records, in any case.
    @param port: L{None} for the default port of the scheme.

    @raise CallerFault: the scheme, port or name is not valid, or C{port} is L{None} although the default port of the scheme is unknown.
    """
    given: object = scheme
    if not isinstance(given, str):
        raise CallerFault(f"{given!r:.80} is not a valid scheme; write one such as 'https'")
    scheme = scheme.lower()
    if scheme in _PLAIN:
        raise CallerFault(f"{scheme}: no record is for connections without TLS; ask for {_PLAIN[scheme]}")
    if not (scheme.isascii() and scheme.replace("-", "").isalnum() and len(scheme) < 63):
        raise CallerFault(f"{scheme!r:.80} is not a valid scheme; write one such as 'https'")
    usual = PORTS.get(scheme)
    meant = usual if port is None else port
    if meant is None:
        raise CallerFault(f"{scheme}: the port of this scheme is not known here; give one")
    checkedPort(meant)
    name = nameFromText(host)
    web = scheme in _WEB
    if web and meant == usual:
        return name, HTTPS, meant
    prefix = "_https" if web else f"_{scheme}"
    if meant != usual:
        prefix = f"_{meant}.{prefix}"
    return nameFromText(prefix, name), HTTPS if web else SVCB, meant


def _keysIn(given: object) -> frozenset[int]:
    if isinstance(given, Iterable):
        keys = frozenset(given)
        if all(isinstance(key, int) and 0 <= key < 0x10000 for key in keys):
            return keys
    raise CallerFault(f"understood: {given!r:.80} is not a list of keys; write their numbers, such as [5]")


class ServiceBinding:
    """
    Finds the targets of a service, one look-up after the other.

    @ivar name: the name to query next, in wire form.
    @ivar host: the host to connect to if that name has no records: the given host, or the target of its aliases; in wire form.
    @ivar done: whether no further query is needed. The caller sets it if C{name} cannot be looked up.
    """

    __slots__ = (
        "name", "rrType", "host", "done", "_host", "_port", "_scheme", "_protocols", "_understood", "_rng", "_seen", "_steps", "_aliased",
        "_services",
    )  # fmt: skip

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int | None,
        rng: ShufflingSource,
        *,
        protocols: Collection[str] | None = None,
        understood: Collection[int] = (),
    ) -> None:
        """
        @param protocols: ALPN ids of the caller's protocols; records for other protocols only are left out. L{None} accepts any.
        @param understood: keys of parameters that the caller supports, in addition to L{UNDERSTOOD}; records with other mandatory keys are
            left out (RFC 9460, section 8).

        @raise CallerFault: see L{questionFor}; or C{protocols} or C{understood} is not valid.
        """
        self.name, self.rrType, self._port = questionFor(scheme, host, port)
        self.host = nameFromText(host)
        self.done = False
        self._host = hostIn(host)
        self._scheme = scheme.lower()
        self._protocols = None if protocols is None else protocolsIn("protocols", protocols)
        self._understood = UNDERSTOOD.union(_keysIn(understood))
        self._rng = rng
        self._seen = {self.name.lower()}
        self._steps = 0
        self._aliased = False
        self._services: list[Target] = []

    def learned(self, owner: bytes, rdatas: Sequence[bytes], aliases: int = 0) -> None:
        """
        Process the records found at C{name}.

        @param owner: the owner of the records: C{name}, or the target of its aliases.
        @param rdatas: the records' data; empty if there are none.
        @param aliases: the number of CNAME records followed.

        @raise NotOffered: the service does not exist (RFC 9460, section 2.5.1).
        """
        from twisted_ext.wire.rdata.types.svcb import SVCB

        try:
            records = [SVCB.fromWire(rdata) for rdata in rdatas]
        except BadMessage:
            # One malformed record invalidates the whole RRset (RFC 9460, section 2.2).
            records = []
        bends = [record for record in records if not record.priority]
        if not bends:
            self.done = True
            self._services = self._targets(owner, records)
            return
        # ServiceMode records are ignored; one of several AliasMode records is chosen at random (RFC 9460, section 2.4.2).
        self._rng.shuffle(bends)
        target = bends[0].target
        if target == ROOT:
            raise NotOffered(f"{nameToText(owner, final=False)} declares that there is no such service")
        self._seen.add(owner.lower())
        self._steps += 1 + aliases
        if target.lower() in self._seen or self._steps > SERVICE_ALIASES.default:
            # Continue as if there were no records (RFC 9460, section 3.1).
            self.done = True
            self._aliased = False
            return
        self._seen.add(target.lower())
        self._aliased = True
        self.name = self.host = target

    def _targets(self, owner: bytes, records: list[SVCBRecord]) -> list[Target]:
        self._rng.shuffle(records)
        records.sort(key=lambda record: record.priority)
        found: list[Target] = []
        for record in records:
            target = self._target(owner, record)
            if target is not None and len(found) < SERVICE_TARGETS.default:
                found.append(target)
        return found

    def _target(self, owner: bytes, record: SVCBRecord) -> Target | None:
        host = hostOf(owner if record.target == ROOT else record.target)
        port = self._port if record.port is None else record.port
        if host is None or not port or not self._understood.issuperset(record.mandatory):
            return None
        said = [each.decode("ascii") for each in record.alpn if each.isascii()]
        if not record.noDefaultALPN:
            said += [each for each in DEFAULT_ALPN.get(self._scheme, ()) if each not in said]
        spoken = said if self._protocols is None else [each for each in said if each in self._protocols]
        if not spoken and (said or record.alpn):
            return None
        hints: list[str] = []
        for family in (record.ipv6hint, record.ipv4hint):
            # Shuffle, so that the first address does not get all connections (RFC 9460, section 7.3).
            addresses = list(family)
            self._rng.shuffle(addresses)
            hints += addresses[: int(SERVICE_HINTS.default) - len(hints)]
        return Target(host, port, record.priority, 0, tuple(hints), tuple(spoken), parameters=dict(record.parameters))

    def targets(self, fallback: bool = True) -> list[Target]:
        """
        Return the targets in the order in which to try them.

        @param fallback: append the targets to use if the records do not help: the end of the aliases, and the given host (RFC 9460, section
            3).

        @raise UnusableRecords: there are no targets.
        """
        found = list(self._services)
        end = hostOf(self.name) if self._aliased else None
        if fallback:
            added = [] if end is None else [Target(end, self._port, BEHIND)]
            for target in (*added, Target(self._host, self._port, BEHIND + 1)):
                # Leave out targets that a record names already.
                if all(str(target).lower() != str(other).lower() for other in found):
                    found.append(target)
        if not found:
            raise UnusableRecords(f"{nameToText(self.name, final=False)} has no usable record")
        return found
