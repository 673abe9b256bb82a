"""
Semantic checks of a zone's records, independent of where the zone came from.

L{twisted_ext.zone.check.dnssec} has the checks of signed zones; the reader of master files reports what can be seen only there.

CDS and CDNSKEY records, which announce keys to the parent zone, and SVCB and HTTPS records have checks of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire import rrtypes
from twisted_ext.wire.names import ROOT, isBelow, labelsOf, nameEnd, nameToText
from twisted_ext.wire.rdata.types.dnssec import DNSKEY
from twisted_ext.wire.rdata.types.svcb import SVCB
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, typeName
from twisted_ext.wire.rrtypes import DNSKEY as _DNSKEY
from twisted_ext.wire.rrtypes import SVCB as _SVCB
from twisted_ext.zone.query.referrals import cutAbove
from twisted_ext.zone.store.nodes import BESIDE_ALIASES, CNAME, CUT, DNAME, HASHED, OCCLUDED, Node, keyBelow
from twisted_ext.zone.zonefile.findings import Report

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["announcedAt", "announcedKeys", "check", "newFindings", "owned"]

#: Aliases that are followed to check where they lead.
_CHECKED_ALIASES: Final = 16

#: Types whose rdata has a host name, and the offset of the name.
_HOSTS: Final = {rrtypes.NS: 0, rrtypes.MX: 2, rrtypes.SRV: 6}

_ADDRESSES: Final = frozenset((rrtypes.A, rrtypes.AAAA))

#: Types allowed at a delegation: those of the delegation itself; addresses of a server of that name; DNAME, which another check reports.
_AT_CUTS: Final = _ADDRESSES | {rrtypes.NS, rrtypes.DS, rrtypes.RRSIG, rrtypes.NSEC, rrtypes.NSEC3, rrtypes.DNAME}

#: Types allowed beside a CNAME: SIG, NXT, RRSIG, NSEC (RFC 2181, section 10.1; RFC 4034, section 4), and NSEC3, whose owner is a hash and
#: not that name (RFC 5155, section 7.1). No server accepts KEY there any more, which RFC 2535 allowed.
_BESIDE_CNAME: Final = BESIDE_ALIASES | {rrtypes.CNAME}

#: A single record of one of these types at a name without flags needs no check.
_HARMLESS: Final = frozenset((
    rrtypes.A, rrtypes.AAAA, rrtypes.PTR, rrtypes.TXT, rrtypes.SPF, rrtypes.HINFO, rrtypes.LOC, rrtypes.NAPTR, rrtypes.SSHFP,
    rrtypes.TLSA, rrtypes.URI, rrtypes.CAA,
))  # fmt: skip

#: Names of a zone up to which a change of it is checked: a fifth of a second.
_COMPARED: Final = 20_000

#: Nodes between two calls of C{progress}.
_STEP: Final = 16_384

_type: Final = Struct(">H").unpack_from
_times: Final = Struct(">IIIII").unpack_from

#: Reports a finding: the check, the owner, what is wrong, the type.
Say = Callable[[str, bytes, str, int], None]

_DIGESTS: Final = {1: "sha1", 2: "sha256", 4: "sha384"}

#: Offset of the algorithm in each, and octets of a CDS record before the digest.
_ALGORITHM_AT: Final = {CDS: 2, CDNSKEY: 3}
_BEFORE_DIGEST: Final = 4

#: Rdata that asks the parent to delete the DS records (RFC 8078, section 4, with its erratum 5049 and without).
_AWAY: Final = {CDS: (bytes(5), bytes(4)), CDNSKEY: (b"\x00\x00\x03\x00\x00", b"\x00\x00\x03\x00")}

#: Owner names of DNS servers as services: an optional port label, and C{_dns}.
_OWNER: Final = re.compile(rb"(?:\x02_[0-9]|\x03_[0-9]{2}|\x04_[0-9]{3}|\x05_[0-9]{4}|\x06_[0-9]{5})?\x04_dns")

#: Protocols over HTTP.
_OVER_HTTP: Final = frozenset((b"http/1.1", b"h2", b"h3"))

#: A URI template (RFC 6570) that is a path and has the variable C{dns}.
_NAME: Final = r"(?:[A-Za-z0-9_.]|%[0-9A-Fa-f]{2})+(?:\*|:[1-9][0-9]{0,3})?"
_TEMPLATE: Final = re.compile(rf"/(?:[^\s\"<>\\^`|{{}}%]|%[0-9A-Fa-f]{{2}}|\{{[+#./;?&]?{_NAME}(?:,{_NAME})*\}})*")
_VARIABLE: Final = re.compile(r"[{+#./;?&,]dns[*:,}]")


def announcedKeys(top: Node, say: Say) -> None:
    """
    Check the CDS and CDNSKEY records at the apex, which the parent zone would apply.
    """
    named = [rrset for rrset in (top.of(CDS), top.of(CDNSKEY)) if rrset is not None]
    if not named:
        return
    # Records that request the deletion of all DS records.
    away = {rrset.rrType: [rdata for rdata in rrset.rdatas if rdata[_ALGORITHM_AT[rrset.rrType]] == 0] for rrset in named}
    for rrset in named:
        taken = away[rrset.rrType]
        text = ""
        if not set(taken) <= set(_AWAY[rrset.rrType]):
            text = "the request to make the delegation unsigned is written 0 0 0 00 as CDS and 0 3 0 AA== as CDNSKEY"
        elif taken and (len(rrset.rdatas) > 1 or not all(away.values())):
            text = "the delegation is requested to be unsigned, and other keys are announced as well; leave either"
        if text:
            say("cds-values", rrset.name, text, rrset.rrType)
            return
    if any(away.values()):
        return
    keys = top.of(_DNSKEY)
    held = () if keys is None else keys.rdatas
    wanted: list[set[bytes]] = []
    for rrset in named:
        found = set()
        if rrset.rrType == CDS and any(rdata[3] == 1 for rdata in rrset.rdatas):
            say("cds-values", rrset.name, "a digest by SHA-1, which is not to be used any more; make one by SHA-256", CDS)
        for rdata in rrset.rdatas:
            matching = [key for key in held if _isOf(rrset, rdata, key)]
            if not matching:
                say("cds-values", rrset.name, "this is announced of a key that the zone does not have", rrset.rrType)
            found.update(matching)
        wanted.append(found)
    if len({frozenset(found) for found in wanted}) > 1:
        say("cds-values", top.sets[0].name, "CDS and CDNSKEY records announce different keys", CDS)


def _isOf(rrset: RRSet, rdata: bytes, key: bytes) -> bool:
    if rrset.rrType == CDNSKEY:
        return rdata == key
    digest = _DIGESTS.get(rdata[3])
    if rdata[2] != key[3] or int.from_bytes(rdata[:2], "big") != DNSKEY.fromWire(key).keyTag:
        return False
    # Digests of other types cannot be checked.
    return digest is None or rdata[_BEFORE_DIGEST:] == hashlib.new(digest, rrset.name.lower() + key, usedforsecurity=False).digest()


def announcedAt(node: Node, rrset: RRSet, say: Say) -> None:
    """
    Check SVCB and HTTPS records.
    """
    resolver = rrset.rrType == _SVCB and _OWNER.match(node.key) is not None
    for rdata in rrset.rdatas:
        try:
            service = SVCB.fromWire(rdata)
        except BadMessage:
            continue
        if not service.priority:
            continue
        path = service.dohpath
        if path is not None and not (_TEMPLATE.fullmatch(path) and _VARIABLE.search(path)):
            text = f"dohpath is {path[:60]!r}; a path with the variable dns was expected, such as /q{{?dns}}"
            say("svcb-dns", rrset.name, text, rrset.rrType)
        if resolver:
            if not service.alpn:
                say("svcb-dns", rrset.name, "without alpn clients do not know how to ask this resolver, and will not use it", rrset.rrType)
            elif path is None and any(each in _OVER_HTTP for each in service.alpn):
                say("svcb-dns", rrset.name, "HTTP without dohpath: clients do not know what to request", rrset.rrType)


def check(
    version: Version,
    *,
    now: float | None = None,
    report: Report | None = None,
    progress: Callable[[int, int], object] = lambda done, all: None,
) -> Report:
    """
    Check a zone.

    @param now: seconds since 1970, for signatures; L{None} to skip their validity periods.
    @param report: where to add findings; a new one by default.
    @param progress: called with the number of names done and of all names, every few thousand names.
    """
    report = Report() if report is None else report
    _Checking(version, report).run(progress)
    if version.signed or version.top.of(rrtypes.DNSKEY) is not None or version.top.of(rrtypes.RRSIG) is not None:
        from twisted_ext.zone.check.dnssec import prove

        prove(version, report, now, progress)
    if version.top.of(rrtypes.ZONEMD) is not None:
        from twisted_ext.zone.check.zonemd import Verdict, verify

        digested = verify(version)
        if digested.verdict is not Verdict.VERIFIED:
            report.say("zonemd", version.apexName, digested.text, rrtypes.ZONEMD)
    return report


class _Checking:
    def __init__(self, version: Version, report: Report) -> None:
        self.version = version
        self.apex = version.apex
        self.report = report
        self.say = report.say
        # Hosts in this zone that its delegations name, and names below delegations that have addresses.
        self.servers: set[bytes] = set()
        self.glue: list[bytes] = []

    def run(self, progress: Callable[[int, int], object]) -> None:
        count = self.version.image.nodes
        self._guarded(self._apex, self.version.top)
        for done, node in self._worthALook():
            if done % _STEP == 0:
                progress(done, count)
            if node is not None:
                self._guarded(self._look, node)
        for key in self.glue:
            if key not in self.servers:
                node = self.version.find(key)
                assert node is not None
                text = "no delegation of this zone names this host; take the address away"
                self.say("glue-extra", node.sets[0].name, text, rrtypes.A if node.of(rrtypes.A) is not None else rrtypes.AAAA)
        progress(count, count)

    def _guarded(self, look: Callable[[Node], None], node: Node) -> None:
        # Transferred records may have malformed rdata.
        try:
            look(node)
        except (IndexError, StructError):
            types = _listed([typeName(rrType) for rrType in node.types])
            self.say("rdata", node.sets[0].name, f"one of these records is malformed: {types}")

    def _worthALook(self) -> Iterator[tuple[int, Node | None]]:
        """
        Return the position in the zone, and the nodes that need a check.
        """
        version = self.version
        image = version.image
        if version.overlay:
            yield from enumerate(version.nodes(), 1)
            return
        flags, tally, rendered, key = image.flags, image.tally, image.rendered, image.key
        for index in range(1, image.nodes):
            if not flags(index) and tally(index) == 1:
                if _type(rendered(index), len(key(index)) + 2)[0] in _HARMLESS:
                    if index % _STEP == 0:
                        yield index, None
                    continue
            yield index, image.node(index)

    # -- single names

    def _apex(self, node: Node) -> None:
        version = self.version
        if node.of(rrtypes.NS) is None:
            self.say("ns", version.apexName, "the apex has no NS records; give it one for each server of the zone")
        self._startOfAuthority(version.soa)
        announcedKeys(node, self.say)
        self._look(node)

    def _startOfAuthority(self, soa: RRSet) -> None:
        rdata = soa.rdatas[0]
        _, refresh, retry, expire, minimum = _times(rdata, len(rdata) - 20)
        mailbox = rdata[nameEnd(rdata) : -20]
        responsible = labelsOf(mailbox)
        texts: list[str] = []
        say = texts.append
        if responsible and b"@" in responsible[0]:
            say(f"the mail address has an @, which is to be a dot: {nameToText(mailbox)}")
        if refresh < 60:
            say(f"secondaries are to ask every {refresh} s; an hour or more is usual")
        if retry >= refresh:
            say(f"retry is {retry} s, not less than refresh, {refresh} s")
        if expire <= refresh + retry:
            say(f"expire is {expire} s; secondaries give the zone up before they have tried again after {refresh} s and {retry} s")
        if minimum > 86400:
            say(f"negative answers are cached for {minimum} s; at most a day is sensible (RFC 2308, section 5)")
        if texts:
            # One finding for all, since in a test zone all of them may be wrong.
            self.say("soa-values", soa.name, "; ".join(texts), rrtypes.SOA)

    def _look(self, node: Node) -> None:
        flags = node.flags
        # NSEC3 records are directly below the apex, even below a DNAME record there: they are read for proofs, not looked up by name.
        if flags & OCCLUDED and not (flags & HASHED and len(node.key) == node.key[0] + 1):
            self._hidden(node)
            return
        if flags & HASHED or not node.sets:
            return
        if flags & (CNAME | DNAME) or not node.key:
            owned(node, self.report)
        if flags & CNAME:
            self._alias(node)
        subtree = node.of(rrtypes.DNAME)
        if subtree is not None and flags & CUT:
            self.say("dname-ns", subtree.name, "a delegation with a DNAME record; leave either", rrtypes.DNAME)
        if flags & CUT:
            self._delegation(node)
        for rrset in node.sets:
            rrType = rrset.rrType
            if rrType in _HOSTS:
                self._hosts(node, rrset)
            elif rrType == rrtypes.SOA and node.key:
                self.say("soa", rrset.name, "a SOA record below the apex; take it away, or make this a zone of its own", rrtypes.SOA)
            elif rrType in (rrtypes.SVCB, rrtypes.HTTPS):
                announcedAt(node, rrset, self.say)
            elif rrType in (rrtypes.CDS, rrtypes.CDNSKEY) and node.key:
                self.say("cds-values", rrset.name, "keys are announced at the apex only; the zone above looks nowhere else", rrType)
            elif rrType == rrtypes.DNSKEY and node.key:
                self.say("dnskey-place", rrset.name, "keys below the apex are of no use", rrtypes.DNSKEY)
            elif rrType == rrtypes.DS and any(rdata[3] == 1 for rdata in rrset.rdatas):
                text = "a digest by SHA-1, which is not to be used any more; have one by SHA-256"
                self.say("ds-values", rrset.name, text, rrtypes.DS)
            if rrType == rrtypes.DS and node.key and not flags & CUT:
                self.say("ds-place", rrset.name, "DS records where nothing is delegated; they belong to NS records", rrtypes.DS)

    def _hidden(self, node: Node) -> None:
        above = cutAbove(self.version, node.key)
        if above is None or not node.sets:
            return
        owner = node.sets[0].name
        where = nameToText(above.sets[0].name)
        if not above.flags & CUT:
            self.say("dname-below", owner, f"this is never found: the DNAME record of {where} replaces all names below")
            return
        others = [typeName(rrType) for rrType in node.types if rrType not in _ADDRESSES]
        if others:
            self.say("occluded", owner, f"{_listed(others)} here are never found: the name is delegated to the servers of {where}")
        if _hasAddress(node):
            self.glue.append(node.key)

    def _alias(self, node: Node) -> None:
        rrset = node.of(rrtypes.CNAME)
        assert rrset is not None
        seen = {node.key}
        target = rrset.rdatas[0]
        for _ in range(_CHECKED_ALIASES):
            state, found = self._reach(target)
            if state == "missing":
                self.say("cname-dangling", rrset.name, f"the alias leads to {nameToText(target)}, which does not exist", rrtypes.CNAME)
            if state != "alias" or found is None:
                return
            if found.key in seen:
                break
            seen.add(found.key)
            following = found.of(rrtypes.CNAME)
            if following is None:
                return
            target = following.rdatas[0]
        self.say("cname-loop", rrset.name, f"the aliases from here do not end within {_CHECKED_ALIASES} steps", rrtypes.CNAME)

    def _delegation(self, node: Node) -> None:
        rrset = node.of(rrtypes.NS)
        assert rrset is not None
        if node.key.startswith(b"\x01*"):
            self.say("ns-wildcard", rrset.name, "what a wildcard delegates is not defined; delegate each name", rrtypes.NS)
        others = [typeName(rrType) for rrType in node.types if rrType not in _AT_CUTS]
        if others:
            self.say("occluded", rrset.name, f"{_listed(others)} here are never found: the name is delegated")
        if _hasAddress(node):
            self.glue.append(node.key)

    # -- hosts

    def _hosts(self, node: Node, rrset: RRSet) -> None:
        apex = self.apex
        rrType = rrset.rrType
        before = _HOSTS[rrType]
        delegated = rrType == rrtypes.NS and bool(node.key)
        for rdata in rrset.rdatas:
            host = rdata[before:].lower()
            if host == ROOT and rrType != rrtypes.NS:
                # Null MX and "service not available" (RFC 7505; RFC 2782).
                continue
            if _isAddress(host):
                text = f"{nameToText(host)} is written like an address; name a host that has it"
                self.say("target-address", rrset.name, text, rrType)
                continue
            key = keyBelow(host, apex)
            if key is None:
                continue
            if rrType == rrtypes.NS:
                self.servers.add(key)
            inside = delegated and isBelow(host, node.key + apex)
            state = "" if inside else self._reach(host)[0]
            if inside or (state == "delegated" and rrType == rrtypes.NS and not node.key):
                found = self.version.find(key)
                if found is None or not _hasAddress(found):
                    what = "is delegated to it" if inside else "this zone delegates"
                    text = f"{nameToText(host)} is inside of what {what}, and has no address here; resolvers cannot reach it"
                    self.say("glue-missing", rrset.name, text, rrType)
            elif state == "missing":
                self.say("target-missing", rrset.name, f"{nameToText(host)} does not exist", rrType)
            elif state == "bare":
                self.say("target-missing", rrset.name, f"{nameToText(host)} has no address; give it an A or AAAA record", rrType)
            elif state == "alias":
                self.say("target-alias", rrset.name, f"{nameToText(host)} is an alias; name what it leads to", rrType)

    def _reach(self, name: bytes) -> tuple[str, Node | None]:
        """
        Look up the addresses of a name.

        @return: the result, and the node: C{"outside"} the zone, C{"delegated"}, an C{"alias"}, an C{"address"}, C{"bare"} if the name has
            no address, C{"missing"} if it does not exist.
        """
        version = self.version
        key = keyBelow(name, self.apex)
        if key is None:
            return "outside", None
        node = version.find(key)
        if node is None:
            above = key
            while node is None and above:
                above = above[above[0] + 1 :]
                node = version.find(above)
            assert node is not None
            if node.flags & (CUT | OCCLUDED):
                return "delegated", node
            if node.flags & DNAME:
                return "alias", None
            node = version.find(b"\x01*" + above)
            if node is None:
                return "missing", None
        if node.flags & (CUT | OCCLUDED):
            return "delegated", node
        if node.flags & CNAME:
            return "alias", node
        return ("address" if _hasAddress(node) else "bare"), node


def newFindings(before: Version, after: Version) -> list[str] | None:
    """
    Return what the check says of a version and not of the one before; L{None} for a zone so large that it would take long.
    """
    if after.nodeCount > _COMPARED:
        return None
    known = {str(finding) for finding in check(before).findings}
    return [text for text in [str(finding) for finding in check(after).findings] if text not in known]


def owned(node: Node, report: Report) -> None:
    """
    Check the apex, or a name with a CNAME or a DNAME record, for conflicting records.
    """
    if not node.key:
        for rrType in (rrtypes.DS, rrtypes.DELEG):
            if (parental := node.of(rrType)) is not None:
                text = f"{typeName(rrType)} records at the apex; they belong to the zone above"
                report.say("ds-apex", parental.name, text, rrType)
    aliases = node.of(rrtypes.CNAME)
    if aliases is not None:
        if len(aliases.rdatas) > 1:
            report.say("cname-several", aliases.name, f"{len(aliases.rdatas)} CNAME records; leave one", rrtypes.CNAME)
        others = [typeName(rrType) for rrType in node.types if rrType not in _BESIDE_CNAME]
        if others:
            report.say("cname-others", aliases.name, f"an alias that has {_listed(others)} as well; leave either", rrtypes.CNAME)
    subtrees = node.of(rrtypes.DNAME)
    if subtrees is not None and len(subtrees.rdatas) > 1:
        report.say("dname-several", subtrees.name, f"{len(subtrees.rdatas)} DNAME records; leave one", rrtypes.DNAME)


def _hasAddress(node: Node) -> bool:
    return node.of(rrtypes.A) is not None or node.of(rrtypes.AAAA) is not None


def _isAddress(name: bytes) -> bool:
    """
    Return whether the first four labels are numbers: an IPv4 address, followed by the zone's name if the final dot was forgotten.
    """
    labels = labelsOf(name)[:4]
    return len(labels) == 4 and all(label.isdigit() and len(label) <= 3 and int(label) <= 255 for label in labels)


def _listed(words: list[str]) -> str:
    return ", ".join(words[:4]) + (" and more" if len(words) > 4 else "")
