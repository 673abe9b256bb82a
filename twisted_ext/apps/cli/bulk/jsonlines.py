"""
Formats the output lines of C{txdns bulk}: one JSON object for each name.

  - C{name}, as given in the input, and C{type};
  - C{rcode}, C{ttl} (the lowest of the records; the negative TTL for a negative answer, or null);
  - C{data}: the records in master file format;
  - C{aliases}, if any: the names that led to the data;
  - C{errors}, if any: extended errors as C{code}, C{name}, C{text}.

A failed look-up has C{error} (a sentence), C{kind} (C{BadName}, C{TimedOut}, C{ServerFailed}...) and possibly C{rcode} in place of C{ttl}
and C{data}.
"""

from __future__ import annotations

from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from socket import inet_ntoa

from twisted_ext.answers import Answer
from twisted_ext.apps.cli.bulk.input import Item
from twisted_ext.errors import ServerFailed
from twisted_ext.wire.codes import EDE_NAMES, rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import ANY, CNAME, SOA, A, typeNumber

__all__ = ["lineOf"]


def lineOf(item: Item, result: Answer | Exception) -> str:
    """
    Return the output line, including its newline.
    """
    name, rrType = item
    if isinstance(result, Exception):
        return _faultLine(name, rrType, result)
    sets = result.answer
    if len(sets) == 1 and not result.ede:
        # A fast path for the most frequent kind of line.
        rrset = sets[0]
        rdatas = rrset.rdatas
        if rrset.rrType == A and rrType == "A":
            data = inet_ntoa(rdatas[0]) if len(rdatas) == 1 else '","'.join([inet_ntoa(rdata) for rdata in rdatas])
            return f'{{"name":{quoted(name)},"type":"A","rcode":"NOERROR","ttl":{rrset.ttl},"data":["{data}"]}}\n'
    return _answerLine(name, rrType, result)


def _answerLine(name: str, rrType: str, answer: Answer) -> str:
    wanted = typeNumber(rrType)
    found = [rrset for rrset in answer.answer if rrset.rrType == wanted or (wanted == ANY and rrset.rrType != CNAME)]
    data = [rdataToText(rrset.rrType, rdata) for rrset in found for rdata in rrset.rdatas]
    fields: dict[str, object] = {
        "name": name,
        "type": rrType,
        "rcode": rcodeName(answer.rcode),
        "ttl": min([rrset.ttl for rrset in found]) if found else _denialTTL(answer),
        "data": data,
    }
    aliases = [nameToText(rrset.rdatas[0]) for rrset in answer.answer if rrset.rrType == CNAME and wanted != CNAME]
    if aliases:
        fields["aliases"] = aliases
    if answer.ede:
        fields["errors"] = [{"code": code, "name": EDE_NAMES.get(code, ""), "text": text} for code, text in answer.ede]
    return dumps(fields, separators=(",", ":")) + "\n"


def _denialTTL(answer: Answer) -> int | None:
    # RFC 2308, section 5: the lesser of the SOA record's TTL and its last field.
    for rrset in answer.authority:
        if rrset.rrType == SOA:
            return min(rrset.ttl, int.from_bytes(rrset.rdatas[0][-4:], "big"))
    return None


def _faultLine(name: str, rrType: str, fault: Exception) -> str:
    fields: dict[str, object] = {"name": name, "type": rrType, "error": str(fault) or type(fault).__name__, "kind": type(fault).__name__}
    if isinstance(fault, ServerFailed):
        fields["rcode"] = rcodeName(fault.rcode)
        if fault.ede:
            fields["errors"] = [{"code": code, "name": EDE_NAMES.get(code, ""), "text": text} for code, text in fault.ede]
    return dumps(fields, separators=(",", ":")) + "\n"
