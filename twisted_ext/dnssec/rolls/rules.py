"""
What may not be done with a key yet, and why: whatever resolvers have of the zone and its parent, they must be able to validate the rest.

 - Who has a DS record finds its key, which signs the DNSKEY records.
 - Who sees an algorithm, in DS or DNSKEY records, finds signatures by it everywhere: some validators insist on one of each algorithm (RFC
   6840, section 5.11).
 - Once there is a DS record, there is one always, unless there are to be none any more.

A rule is one refusal. Two of them follow from the others as long as keys start hidden; they are for keys whose states were read.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_ext.dnssec.rolls.states import Record, RollingKey, State

__all__ = ["refusal"]

_HIDDEN, _RUMOURED, _OMNIPRESENT, _UNRETENTIVE = State


def refusal(keys: Sequence[RollingKey], key: RollingKey, record: Record, state: State, insecure: bool = False) -> str:
    """
    Return why a record of a key may not be published, or withdrawn, yet; C{""} if it may.

    @param keys: those of the zone, with this one.
    @param state: rumoured or unretentive.
    @param insecure: whether there are to be no DS records any more.
    """
    others = [each for each in keys if each.algorithm == key.algorithm and each is not key]
    if state is _RUMOURED:
        return _unpublishable(keys, others, key, record)
    return "" if insecure and record is Record.DS else _indispensable(keys, others, key, record)


def _unpublishable(keys: Sequence[RollingKey], others: Sequence[RollingKey], key: RollingKey, record: Record) -> str:
    """
    @param others: the other keys of the same algorithm.
    """
    match record:
        case Record.DNSKEY:
            isFirst = all(each.state(record) is _HIDDEN for each in keys if each is not key)
            isKnown = any(each.state(record) is not _HIDDEN for each in others)
            if not isFirst and not isKnown and all(each.state(Record.ZRRSIG) is not _OMNIPRESENT for each in (key, *others)):
                return "signatures of a new algorithm come before its keys"
        case Record.KRRSIG:
            if not key.publishes(Record.DNSKEY):
                return "its DNSKEY record is not published yet"
        case Record.ZRRSIG:
            isKnown = any(each.state(Record.DNSKEY) is not _HIDDEN for each in others)
            isSigned = any(each.state(record) is not _HIDDEN for each in others)
            if isKnown and isSigned and key.state(Record.DNSKEY) is not _OMNIPRESENT:
                return "resolvers may not have its DNSKEY record yet"
        case Record.DS:
            if key.state(Record.DNSKEY) is not _OMNIPRESENT or key.state(Record.KRRSIG) is not _OMNIPRESENT:
                return "resolvers may not have its DNSKEY record yet"
            if not _isSigned((key, *others)):
                return "resolvers may not have signatures of its algorithm yet"
    return ""


def _indispensable(keys: Sequence[RollingKey], others: Sequence[RollingKey], key: RollingKey, record: Record) -> str:
    stays = any(each.isWanted for each in others)
    match record:
        case Record.DS:
            if not any(each.publishes(record) for each in keys if each is not key):
                return "no other key has a DS record"
        case Record.ZRRSIG:
            isKnown = any(each.state(Record.DNSKEY) is not _HIDDEN for each in (key, *others))
            signing = [each for each in others if each.isWanted and each.publishes(record)]
            if isKnown and all(each.state(Record.DNSKEY) is not _OMNIPRESENT for each in signing):
                return "resolvers may have keys of its algorithm, and no other one signs"
        case _:
            if key.state(Record.DS) is not _HIDDEN:
                return "resolvers may have its DS record"
            if record is Record.DNSKEY and stays and key.state(Record.ZRRSIG) is not _HIDDEN:
                return "resolvers may have its signatures"
            if record is Record.DNSKEY and not stays and any(each.state(Record.DS) is not _HIDDEN for each in others):
                return "resolvers may have a DS record of its algorithm"
    return ""


def _isSigned(keys: Sequence[RollingKey]) -> bool:
    """
    Return whether all resolvers find signatures by keys that they have, among these.
    """
    known = [each for each in keys if each.state(Record.DNSKEY) is _OMNIPRESENT]
    states = [each.state(Record.ZRRSIG) for each in known]
    # Where one key signs in place of another, each name has signatures of one of them.
    return _OMNIPRESENT in states or (_RUMOURED in states and _UNRETENTIVE in states)
