"""
Keys that BIND has replaced by a C{dnssec-policy} until now: their states, as its files have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile, momentOf, nameOf
from twisted_ext.dnssec.privatekeys.keys import badKey
from twisted_ext.dnssec.rolls.states import CSK, KSK, RECORDS, ZSK, Record, RollingKey, Standing, State

__all__ = ["keyOfBIND", "keysOfBIND"]

#: What a file says of the roles of its key: whether it signs the DNSKEY records, and whether it signs the rest.
_ROLES: Final = {("yes", "yes"): CSK, ("yes", "no"): KSK, ("no", "yes"): ZSK}

#: Digits of a time; what follows says the same for people.
_DIGITS: Final = 14


def keysOfBIND(files: Iterable[KeyFile], now: float) -> list[RollingKey]:
    """
    Return the keys whose files have states, but those that no resolver has and that are not to come, in the order in which they were made.

    Of a record that comes or goes it is not known since when all servers have shown that, and with which TTL: its wait begins when it is
    served here, or seen at the parent.

    @param now: seconds since 1970.

    @raise BadKey: a state makes no sense.
    """
    found: list[tuple[float, bool, RollingKey]] = []
    for file in files:
        if any(f"{record.value}State" in file.state for record in Record):
            key = keyOfBIND(nameOf(file), file.key.algorithm, file.state, file.key.source, min(file.times.get("Created", now), now), now)
            isGoal = file.state.get("GoalState") == State.OMNIPRESENT.value
            if isGoal or not key.isGone:
                found.append((key.born, isGoal, key))
    return [key for _, _, key in sorted(found, key=lambda each: each[:2])]


def keyOfBIND(name: str, algorithm: int, said: Mapping[str, str], source: str, created: float, now: float) -> RollingKey:
    """
    Return one key.

    @param name: that of its files.
    @param said: the values of its file of states.
    @param source: the path of its C{.private} file, for errors.
    @param created: when it was made, if C{said} does not tell; in seconds since 1970, as C{now}.

    @raise BadKey: a state makes no sense.
    """
    role = _ROLES.get((said.get("KSK", ""), said.get("ZSK", "")))
    if role is None:
        raise badKey(source, "the .state file beside it does not say what it signs; KSK: yes or ZSK: yes was expected")
    born = _momentIn(said, "Generated", source)
    key = RollingKey(name, role, algorithm, created if born is None else min(born, now))
    for record in RECORDS[role]:
        word = said.get(f"{record.value}State", State.HIDDEN.value)
        try:
            state = State(word)
        except ValueError:
            words = ", ".join([each.value for each in State])
            raise badKey(source, f"{record.value}State in the .state file beside it is {word!r}; one of {words} was expected") from None
        moment = _momentIn(said, f"{record.value}Change", source) or now
        key.records[record] = Standing(state, min(moment, now) if state.isSettled else None, decided=now)
    return key


def _momentIn(said: Mapping[str, str], name: str, source: str) -> float | None:
    """
    Return a time, in seconds since 1970; L{None} if it is not there.
    """
    text = said.get(name)
    if text is None:
        return None
    moment = momentOf(text[:_DIGITS])
    if moment is None:
        raise badKey(source, f"{name} in the .state file beside it is not a time; 14 digits were expected")
    return moment.timestamp()
