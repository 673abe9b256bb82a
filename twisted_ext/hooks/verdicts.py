"""
What hooks decide.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from twisted_ext.errors import BadRecord, CallerFault
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import CNAME, NSEC, NSEC3, OPT, RRSIG, typeNumber

__all__ = ["DROP", "PASS", "TRUNCATE", "Verdict", "answer", "ask", "nodata", "nxdomain", "refuse", "upstream", "view"]

#: Records and octets of an answer, so that it fits into a message over TCP and no reply is a flood.
_MOST_RECORDS: Final = 256
_MOST_OCTETS: Final = 16_384

#: The longest TTL (RFC 2181, section 8).
_MOST_TTL: Final = 0x7FFFFFFF

#: Characters of the text of an extended error.
_TEXT: Final = 200

#: Types whose records only the signer of a zone makes, and those that no zone has (RFC 6895, section 3.1).
_PROOFS: Final = (RRSIG, NSEC, NSEC3)
_META: Final = (OPT, *range(128, 256))

# Info codes of extended errors (RFC 8914).
_FORGED: Final = 4
_PROHIBITED: Final = 18


class Verdict(NamedTuple):
    """
    What a hook decides. The functions of this module make verdicts.

    @ivar word: C{"pass"}, C{"drop"}, C{"truncate"}, C{"refuse"}, C{"answer"}, C{"view"}, C{"upstream"} or C{"ask"}.
    @ivar rcode: the rcode of the reply.
    @ivar ede: its extended errors.
    @ivar records: those of the answer: type, TTL and the payloads of each set.
    @ivar view: the name of a view.
    @ivar resolver: what is asked for the answer.
    """

    word: str
    rcode: int = 0
    ede: tuple[tuple[int, str], ...] = ()
    records: tuple[tuple[int, int, tuple[bytes, ...]], ...] = ()
    view: str = ""
    resolver: object = None


#: The query goes on: to the next hook, to rules and lists, and to the cache and the servers.
PASS: Final = Verdict("pass")

#: There is no reply over UDP; over a connection, whose client would wait, it is refused.
DROP: Final = Verdict("drop")

#: Over UDP the client is told to ask over TCP, which shows that its address is its own. Over a connection the query goes on.
TRUNCATE: Final = Verdict("truncate")


def refuse(text: str = "", *, rcode: int = Rcode.REFUSED) -> Verdict:
    """
    The client gets this rcode and no answer.

    @param text: what an extended error of the reply says to its user.

    @raise CallerFault: this is no rcode of an error.
    """
    if not 0 < rcode < 16:
        raise CallerFault(f"the rcode {rcode} is none of an error; right is 1 to 15, such as 5 for REFUSED")
    return Verdict("refuse", rcode, ((_PROHIBITED, text[:_TEXT]),))


def view(name: str) -> Verdict:
    """
    The client is in this view. A hook decides so that takes nothing but C{client}, about clients that the settings have in no view; in a
    view the query goes on.
    """
    return Verdict("view", view=name)


def upstream(name: str) -> Verdict:
    """
    The query goes on, behind all hooks, and where no rule and no list decides it is answered by what clients of this view would ask: the
    upstreams of its settings, and their cache.
    """
    return Verdict("upstream", view=name)


def ask(resolver: object) -> Verdict:
    """
    The answer is that of this resolver, which is asked about each query: what it has to keep it keeps by itself. If it has no information,
    and fails with C{DomainError} of twisted.names, the query goes on as with L{PASS}.

    @param resolver: any L{IResolver<twisted.internet.interfaces.IResolver>}, or a source or resolver of this package.
    """
    return Verdict("ask", resolver=resolver)


def nxdomain() -> Verdict:
    """
    The name does not exist.
    """
    return Verdict("answer", Rcode.NXDOMAIN, ((_FORGED, ""),))


def nodata() -> Verdict:
    """
    The name has no records of the type.
    """
    return Verdict("answer", 0, ((_FORGED, ""),))


def answer(*records: str, ttl: int = 60) -> Verdict:
    """
    The name has these records. If none is of the type of the query, it has no such data; an alias is followed.

    @param records: type and data of each as in a master file, with names in full: C{"A 192.0.2.1"}, C{"CNAME www.example."}.
    @param ttl: for how many seconds clients may keep them; those of a verdict about one client, no longer than the verdict is kept.

    @raise CallerFault: they are not valid, or too many.
    """
    if not 0 < len(records) <= _MOST_RECORDS:
        raise CallerFault(f"an answer of {len(records)} records; right are 1 to {_MOST_RECORDS}")
    if not 0 <= ttl <= _MOST_TTL:
        raise CallerFault(f"the TTL {ttl}; right is 0 to {_MOST_TTL} seconds")
    sets: dict[int, list[bytes]] = {}
    for record in records:
        word, _, text = record.strip().partition(" ")
        number = typeNumber(word)
        if number is None or number in _PROOFS or number in _META:
            raise CallerFault(f"{record!r} is not a record of a zone; right is a type and its data, such as A 192.0.2.1")
        try:
            rdata = rdataFromText(number, text.strip())
        except BadRecord as error:
            raise CallerFault(f"the record {record!r}: {error}") from None
        known = sets.setdefault(number, [])
        if rdata not in known:
            known.append(rdata)
    if CNAME in sets and (len(sets) > 1 or len(sets[CNAME]) > 1):
        raise CallerFault("an alias beside other records; right is one CNAME, or records without it")
    if sum(len(rdata) + 12 for rdatas in sets.values() for rdata in rdatas) > _MOST_OCTETS:
        raise CallerFault(f"an answer of more than {_MOST_OCTETS:,} octets")
    return Verdict("answer", 0, ((_FORGED, ""),), tuple([(each, ttl, tuple(rdatas)) for each, rdatas in sets.items()]))
