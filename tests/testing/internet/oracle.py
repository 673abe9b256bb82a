"""
A validator made of dnspython's parts: walks down from the root's trust anchor and checks every signature in a reply.
"""

from __future__ import annotations

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from twisted_ext.testing.internet import Internet, InternetZone, NameServer
from twisted_ext.wire.names import nameToText

__all__ = ["NotProved", "askOracle", "trustedKeys", "validate", "zoneServing"]

#: The keys of a zone as dnspython takes them.
Keys = dict[dns.name.Name, dns.rdataset.Rdataset | dns.node.Node]


class NotProved(Exception):
    """
    A signature or a key is missing or wrong.
    """


def askOracle(internet: Internet, server: NameServer, name: str, rrType: str) -> dns.message.Message:
    """
    Ask a server over TCP, and have dnspython parse the reply.
    """
    reply = internet.ask(server, name, rrType, transport="tcp")
    assert reply is not None
    return dns.message.from_wire(reply.wire, one_rr_per_rrset=False)


def trustedKeys(internet: Internet, zone: InternetZone, server: NameServer | None = None) -> Keys:
    """
    Return the keys of a zone, proved from the root's anchor.

    @raise NotProved: the chain is broken.
    """
    apex = dns.name.from_text(zone.name)
    if zone.apex == b"\x00":
        ds = dns.rrset.from_text_list(apex, 3600, "IN", "DS", [line.split("DS\t")[1] for line in internet.anchors.splitlines()])
    else:
        above = next(each for each in internet.zones.values() if zone in each.children)
        reply = askOracle(internet, above.servers[0], zone.name, "DS")
        found = reply.get_rrset(reply.answer, apex, dns.rdataclass.IN, dns.rdatatype.DS)
        if found is None:
            raise NotProved(f"no DS for {zone.name}")
        ds = found
        _check(reply, reply.answer, trustedKeys(internet, above), internet)
    reply = askOracle(internet, server or zone.servers[0], zone.name, "DNSKEY")
    keys = reply.get_rrset(reply.answer, apex, dns.rdataclass.IN, dns.rdatatype.DNSKEY)
    if keys is None:
        raise NotProved(f"no DNSKEY for {zone.name}")
    entry = dns.rrset.RRset(apex, dns.rdataclass.IN, dns.rdatatype.DNSKEY)
    for key in keys:
        if key.flags & 0x0100 and not key.flags & 0x0080 and key.protocol == 3:
            if any(_matches(apex, key, each) for each in ds):
                entry.add(key)
    if not entry:
        raise NotProved(f"no key of {zone.name} has a DS record")
    _check(reply, reply.answer, {apex: entry}, internet)
    return {apex: keys}


def _matches(apex: dns.name.Name, key: DNSKEY, ds: DS) -> bool:
    try:
        return bool(dns.dnssec.make_ds(apex, key, ds.digest_type, validating=True) == ds)
    except (dns.exception.DNSException, ValueError):
        return False


def _check(reply: dns.message.Message, section: list[dns.rrset.RRset], keys: Keys, internet: Internet) -> int:
    """
    Check all signatures of a section.

    @return: the number of RRsets that were checked.
    """
    count = 0
    for rrset in section:
        if rrset.rdtype == dns.rdatatype.RRSIG or (rrset.rdtype == dns.rdatatype.NS and not reply.flags & dns.flags.AA):
            continue
        if rrset.rdtype == dns.rdatatype.CNAME and any(
            each.rdtype == dns.rdatatype.DNAME and rrset.name != each.name and rrset.name.is_subdomain(each.name) for each in section
        ):
            # Synthesized from a DNAME record, and so without a signature (RFC 6672, section 5.3.1).
            continue
        signatures = reply.get_rrset(section, rrset.name, rrset.rdclass, dns.rdatatype.RRSIG, rrset.rdtype)
        if signatures is None:
            raise NotProved(f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} is not signed")
        for signature in signatures:
            if signature.inception >= signature.expiration:
                raise NotProved("expires before it is valid")
        try:
            dns.dnssec.validate(rrset, signatures, keys, now=internet.time())
        except dns.exception.ValidationFailure as error:
            raise NotProved(f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)}: {error}") from error
        count += 1
    return count


def zoneServing(internet: Internet, name: str) -> InternetZone:
    """
    Return the zone that a name is in.
    """
    wanted = dns.name.from_text(name)
    inside = [zone for zone in internet.zones.values() if wanted.is_subdomain(dns.name.from_text(nameToText(zone.apex)))]
    return max(inside, key=lambda zone: len(zone.apex))


def validate(internet: Internet, name: str, rrType: str, server: NameServer | None = None) -> dns.message.Message:
    """
    Ask the servers of a name's zone, and check every signature in the reply.

    @raise NotProved: one is wrong.
    """
    zone = zoneServing(internet, name)
    if rrType == "DS" and dns.name.from_text(name) == dns.name.from_text(zone.name):
        zone = next(each for each in internet.zones.values() if zone in each.children)
    keys = trustedKeys(internet, zone, server)
    reply = askOracle(internet, server or zone.servers[0], name, rrType)
    checked = _check(reply, reply.answer, keys, internet) + _check(reply, reply.authority, keys, internet)
    if not checked:
        raise NotProved("nothing is signed")
    return reply
