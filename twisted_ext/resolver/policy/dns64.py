"""
DNS64 (RFC 6147): IPv6 addresses, with the prefix of a NAT64, for names that have IPv4 addresses only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Network
from typing import Final

from zope.interface import classImplements

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Security
from twisted_ext.errors import BadDescription, DNSFault, PeerFault
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import FurtheredStart, furthered, then
from twisted_ext.resolver.local.localanswers import addressFromReverse, emptySOA, known, lastTime
from twisted_ext.resolver.policy.addressset import AddressSet
from twisted_ext.resolver.policy.rebinding import isPrivate
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import AD, IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, CNAME, DNAME, DS, PTR, RRSIG, SOA, A

__all__ = ["DNS64Source", "NAT64Names", "NAT64Prefix", "Tally"]

#: Lengths of prefixes (RFC 6052, section 2.2).
_LENGTHS: Final = (32, 40, 48, 56, 64, 96)

#: The octet that is always zero (the same section).
_ZERO: Final = 8

#: The prefix that all networks may use, but for IPv4 addresses of the internet only (RFC 6052, section 3.1).
_WELL_KNOWN: Final = IPv6Network("64:ff9b::/96")

#: First octets of IPv4 addresses that no other host has.
_NOWHERE: Final = (0, 127)

#: Seconds for which an address may be kept if nothing says for how long there is none of IPv6 (RFC 6147, section 5.1.7).
_MOST_SECONDS: Final = 600

#: Info codes of extended errors (RFC 8914).
_SYNTHESIZED: Final = 29
_ABOUT_SIGNATURES: Final = range(1, 13)

_ALIASES: Final = (CNAME, DNAME)

#: The name that has IPv4 addresses only, by which clients find the prefix (RFC 7050; RFC 8880, section 7), and its addresses.
_IPV4_ONLY: Final = nameFromText("ipv4only.arpa")
_IPV4_ONLY_ADDRESSES: Final = (bytes((192, 0, 0, 170)), bytes((192, 0, 0, 171)))
_IPV4_ONLY_REVERSE: Final = (nameFromText("170.0.0.192.in-addr.arpa"), nameFromText("171.0.0.192.in-addr.arpa"))
_DAY: Final = 86400

_SPECIAL: Final = Origin("special")


class NAT64Prefix:
    """
    The prefix of a NAT64.

    @ivar network: the prefix.
    """

    __slots__ = ("network", "_octets", "_size")

    def __init__(self, text: str) -> None:
        """
        @param text: such as C{"64:ff9b::/96"}.

        @raise BadDescription: it is not a prefix of IPv6 of a length that a NAT64 may have.
        """
        try:
            self.network = IPv6Network(text)
        except ValueError as fault:
            raise BadDescription(str(fault)) from None
        if self.network.prefixlen not in _LENGTHS:
            raise BadDescription(f"{text}: the prefix of a NAT64 has {', '.join(map(str, _LENGTHS[:-1]))} or {_LENGTHS[-1]} bits")
        self._octets = self.network.network_address.packed
        self._size = self.network.prefixlen // 8

    @property
    def isReserved(self) -> bool:
        """
        Whether bits 64 to 71 are not zero, which networks have to see to (RFC 6052, section 2.2).
        """
        return self._octets[_ZERO] != 0

    def embed(self, address: bytes) -> bytes | None:
        """
        Return the IPv6 address for an IPv4 address (RFC 6052, section 2.2).

        @return: L{None} if the IPv4 address cannot be that of another host, or one that the well-known prefix is not for.
        """
        if len(address) != 4 or address[0] in _NOWHERE or (self.network == _WELL_KNOWN and isPrivate(address)):
            return None
        octets = self._octets[: self._size] + address
        if self._size <= _ZERO:
            octets = octets[:_ZERO] + b"\x00" + octets[_ZERO:]
        return octets.ljust(16, b"\x00")

    def extract(self, address: bytes) -> bytes | None:
        """
        Return the IPv4 address in an IPv6 address; L{None} if that does not have the prefix.
        """
        if len(address) != 16 or address[: self._size] != self._octets[: self._size]:
            return None
        rest = address[self._size :]
        if self._size <= _ZERO:
            at = _ZERO - self._size
            rest = rest[:at] + rest[at + 1 :]
        return rest[:4]


class Tally:
    """
    A count that lasts longer than a source.

    @ivar made: answers made.
    """

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = 0


class DNS64Source(WrappingSource):
    """
    Makes IPv6 addresses for names that have IPv4 addresses only. A name that does not exist, or is blocked, remains as it is, and so is
    what a validating client asks for, which has to see the truth (RFC 6147, section 3).
    """

    __slots__ = ("_prefixes", "_excluded", "_ignored", "_failing", "_tally")

    def __init__(
        self,
        inner: IAnswerSource,
        prefixes: Sequence[NAT64Prefix],
        *,
        excluded: AddressSet | None = None,
        ignored: Iterable[bytes] = (),
        failing: bool = False,
        tally: Tally | None = None,
    ) -> None:
        """
        @param prefixes: each name has addresses with each of these.
        @param excluded: addresses in these count as none.
        @param ignored: domains whose IPv6 addresses count as none where there are IPv4 addresses, with all names below them.
        @param failing: whether names whose look-up for IPv6 addresses fails have none.
        @param tally: counts the answers that are made.
        """
        super().__init__(inner)
        self._prefixes = tuple(prefixes)
        self._excluded = excluded
        self._ignored = tuple([name.lower() for name in ignored])
        self._failing = failing
        self._tally = Tally() if tally is None else tally

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        inner = self._inner
        if question.rrType != AAAA or question.rrClass != IN or (context.checkingDisabled and context.dnssecOk):
            return inner.ask(question, context)
        name = question.key[:-4]
        if self._ignored and any(isBelow(name, domain) for domain in self._ignored):
            return furthered(inner.ask(Question(question.name, A, IN), context), self._first, question, context)
        if not self._failing:
            return furthered(inner.ask(question, context), self.further, question, context)
        try:
            found = inner.ask(question, context)
        except DNSFault as fault:
            return self.instead(fault, question, context)
        if found is None or isinstance(found, Answer):
            return furthered(found, self.further, question, context)
        return _Retrying(self, found, question, context)

    def further(self, answer: Answer, question: Question, context: QueryContext) -> Answer | Start:
        """
        Look up the IPv4 addresses if there are no IPv6 addresses.
        """
        if answer.outcome is Outcome.NXDOMAIN or answer.rcode or _isBlocked(answer):
            return answer
        kept = self._kept(answer)
        if any(rrset.rrType == AAAA for rrset in kept):
            return answer if kept is answer.answer else _changed(answer, kept)
        if kept is not answer.answer:
            answer = _changed(answer, kept)
            answer.outcome = Outcome.NODATA
        found = self._inner.ask(Question(question.name, A, IN), context)
        joined = then(found, self._joined, answer, context)
        return answer if joined is None else joined

    def _kept(self, answer: Answer) -> tuple[RRSet, ...]:
        """
        Return the answer section without excluded addresses, and the signatures of what they were among: the same object if it has none.
        """
        excluded = self._excluded
        if excluded is None:
            return answer.answer
        kept: list[RRSet] = []
        changed = False
        for rrset in answer.answer:
            if rrset.rrType == AAAA:
                rdatas = tuple([rdata for rdata in rrset.rdatas if excluded.find(rdata) is None])
                if len(rdatas) != len(rrset.rdatas):
                    changed = True
                    if not rdatas:
                        continue
                    rrset = RRSet(rrset.name, AAAA, IN, rrset.ttl, rdatas)
            kept.append(rrset)
        return tuple([rrset for rrset in kept if not _isAboutAddresses(rrset)]) if changed else answer.answer

    def _joined(self, found: Answer, denial: Answer, context: QueryContext) -> Answer:
        """
        Return the answer with addresses made from an answer with IPv4 addresses, or else that there are none of IPv6.
        """
        times = [min(each.ttl, int.from_bytes(each.rdatas[0][-4:], "big")) for each in denial.authority if each.rrType == SOA]
        made = self._made(found, min(times, default=_MOST_SECONDS))
        if made is None:
            return denial
        made.origin = _originOf(found.origin, denial.origin)
        if found.security is denial.security is Security.SECURE:
            # It is proved that there are no others, and that there are those that they are made from (RFC 6147, section 5.5).
            made.security = Security.SECURE
            made.flags |= found.flags & denial.flags & AD
        return self._noted(made, context)

    def _first(self, found: Answer, question: Question, context: QueryContext) -> Answer | Start:
        """
        Return the answer of a name whose IPv6 addresses are ignored, or look these up if there are no others.
        """
        made = self._made(found, _MOST_SECONDS)
        if made is not None:
            return self._noted(made, context)
        rest = self._inner.ask(question, context)
        return found if rest is None else rest

    def _made(self, found: Answer, most: int) -> Answer | None:
        """
        Return an answer with IPv6 addresses made from IPv4 addresses; L{None} if there are none from which they may be.
        """
        if _isBlocked(found):
            return None
        sets: list[RRSet] = []
        has = False
        for rrset in found.answer:
            if rrset.rrType == A:
                each = [prefix.embed(address) for address in rrset.rdatas for prefix in self._prefixes]
                rdatas = tuple([address for address in each if address is not None])
                if rdatas:
                    has = True
                    sets.append(RRSet(rrset.name, AAAA, IN, min(rrset.ttl, most), rdatas))
            elif rrset.rrType in _ALIASES:
                sets.append(rrset)
        if not has:
            return None
        other = _changed(found, tuple(sets))
        other.authority = other.additional = ()
        other.outcome = Outcome.DATA
        other.ede = (*found.ede, (_SYNTHESIZED, "DNS64"))
        return other

    def _noted(self, made: Answer, context: QueryContext) -> Answer:
        self._tally.made += 1
        if context.trace is not None:
            prefixes = ", ".join([str(prefix.network) for prefix in self._prefixes])
            context.trace.note(lastTime(context.trace), "dns64", "made from IPv4 addresses", prefixes=prefixes)
        return made

    def instead(self, fault: DNSFault, question: Question, context: QueryContext) -> Answer | Start:
        """
        Look up the IPv4 addresses of a name whose look-up for IPv6 addresses failed, but not for lack of a valid signature.

        @raise DNSFault: what failed.
        """
        if not isinstance(fault, PeerFault) or any(code in _ABOUT_SIGNATURES for code, _ in fault.ede):
            raise fault
        found = self._inner.ask(Question(question.name, A, IN), context)
        made = then(found, self._spite, fault, context)
        if made is None:
            raise fault
        return made

    def _spite(self, found: Answer, fault: DNSFault, context: QueryContext) -> Answer:
        made = self._made(found, _MOST_SECONDS)
        if made is None:
            raise fault
        # For how long the look-up would fail is not known, so that the packet cache does not keep the answer.
        origin = found.origin
        made.origin = None if origin is None else Origin(origin.source, origin.server, origin.attempts, origin.elapsed, origin.age)
        return self._noted(made, context)


classImplements(DNS64Source, IAnswerSource)


class _Retrying(FurtheredStart):
    """
    A look-up for IPv6 addresses, behind which there is one for IPv4 addresses also if it fails.
    """

    __slots__ = ("_source", "_question")

    def __init__(self, source: DNS64Source, start: Start, question: Question, context: QueryContext) -> None:
        super().__init__(start, source.further, (question, context))
        self._source = source
        self._question = question

    def errback(self, fault: Exception, /) -> None:
        try:
            if not isinstance(fault, DNSFault):
                raise fault
            found = self._source.instead(fault, self._question, self._context)
            if not isinstance(found, Answer):
                self.goOn(found)
                return
        except Exception as error:
            super().errback(error)
            return
        self._ended().callback(found)


class NAT64Names(WrappingSource):
    """
    Answers for the name by which clients find the prefix, which is never sent to another server (RFC 8880, section 7.1), and for the names
    of addresses with the prefix: each is an alias of that of the IPv4 address in it.
    """

    __slots__ = ("_prefixes",)

    def __init__(self, inner: IAnswerSource, prefixes: Sequence[NAT64Prefix]) -> None:
        super().__init__(inner)
        self._prefixes = tuple(prefixes)

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if question.rrClass == IN:
            name = question.key[:-4]
            if isBelow(name, _IPV4_ONLY):
                if question.rrType != DS:
                    return self._ipv4Only(question, name)
            elif question.rrType == PTR:
                for prefix in self._prefixes:
                    address = addressFromReverse(name)
                    embedded = None if address is None else prefix.extract(address)
                    if embedded is not None:
                        return self._pointer(question, embedded, context)
            if any(isBelow(name, each) for each in _IPV4_ONLY_REVERSE) and question.rrType != DS:
                return _said(question, name in _IPV4_ONLY_REVERSE, name, (_IPV4_ONLY,) if question.rrType == PTR else ())
        return self._inner.ask(question, context)

    def _ipv4Only(self, question: Question, name: bytes) -> Answer:
        addresses: tuple[bytes, ...] = ()
        if question.rrType == A:
            addresses = _IPV4_ONLY_ADDRESSES
        elif question.rrType == AAAA:
            made = [prefix.embed(address) for prefix in self._prefixes for address in _IPV4_ONLY_ADDRESSES]
            addresses = tuple([address for address in made if address is not None])
        return _said(question, name == _IPV4_ONLY, _IPV4_ONLY, addresses)

    def _pointer(self, question: Question, address: bytes, context: QueryContext) -> Answer | Start | None:
        target = nameFromText(f"{'.'.join([str(octet) for octet in address[::-1]])}.in-addr.arpa")
        alias = RRSet(question.name, CNAME, IN, _MOST_SECONDS, (target,))
        return then(self._inner.ask(Question(target, PTR, IN), context), _behind, alias)


classImplements(NAT64Names, IAnswerSource)


def _said(question: Question, exists: bool, zone: bytes, rdatas: tuple[bytes, ...]) -> Answer:
    if exists and rdatas:
        return known(question, rdatas, _DAY, _SPECIAL)
    outcome = Outcome.NODATA if exists else Outcome.NXDOMAIN
    return Answer(outcome, (), (emptySOA(zone),), rcode=0 if exists else 3, origin=_SPECIAL)


def _behind(found: Answer, alias: RRSet) -> Answer:
    other = _changed(found, (alias, *found.answer))
    other.authority, other.additional = found.authority, found.additional
    return other


def _isAboutAddresses(rrset: RRSet) -> bool:
    """
    Return whether these are signatures of IPv6 addresses.
    """
    return rrset.rrType == RRSIG and all(rdata[:2] == AAAA.to_bytes(2, "big") for rdata in rrset.rdatas)


def _isBlocked(answer: Answer) -> bool:
    return answer.origin is not None and answer.origin.source == "blocked"


def _changed(answer: Answer, sets: tuple[RRSet, ...]) -> Answer:
    """
    Return an answer with another answer section, which nothing proves.
    """
    other = answer.having(sets, answer.authority, answer.additional)
    other.flags &= ~AD
    other.security = Security.INDETERMINATE
    return other


def _originOf(found: Origin | None, denial: Origin | None) -> Origin | None:
    """
    Return the origin of an answer that holds as long as both that it was made from; of two kinds, that which is not a cache.
    """
    if found is None or denial is None:
        return None
    source = found.source if denial.source == "cache" else denial.source
    both = found.learned is not None and denial.learned is not None
    return Origin(
        source,
        found.server or denial.server,
        found.attempts + denial.attempts,
        found.elapsed + denial.elapsed,
        found.age,
        found.learned if both else None,
        min(found.expires, denial.expires),
        zone=found.zone,
        work=found.work,
    )
