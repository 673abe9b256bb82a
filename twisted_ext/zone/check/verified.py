"""
Verifies the signatures of a zone with its keys, those of a large one in several processes.

Whether each RRset has the signatures that it needs, by which keys and for how long, is checked in L{twisted_ext.zone.check.dnssec}.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted_ext.dnssec.algorithms import algorithmName
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.signatures import Signature, signedData
from twisted_ext.errors import BadMessage, StorageFault
from twisted_ext.wire.rrtypes import DNSKEY, RRSIG, typeName
from twisted_ext.zone.store.nodes import kindOf

if TYPE_CHECKING:
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zonefile.findings import Report

__all__ = ["Verified", "verify"]

#: Names of a zone from which on several processes verify it: fewer take less time than starting these.
_MANY: Final = 5000

#: Names that are verified in one step, a tenth of a second.
_STEP: Final = 500

#: Seconds between two looks of the other processes whether the command is still there.
_LOOK: Final = 1.0

#: A signature that is wrong: its owner, the type of what it covers, and what is wrong.
_Wrong = tuple[bytes, int, str]


class Verified(NamedTuple):
    """
    What was verified.

    @ivar right: how many signatures are right.
    @ivar unknown: how many could not be verified, by the reason.
    """

    right: int
    unknown: dict[str, int]


def verify(
    version: Version, report: Report, progress: Callable[[int, int], object] = lambda done, all: None, *, processes: int | None = None
) -> Verified:
    """
    Verify all signatures of a zone that are by its keys; each that is wrong becomes a finding.

    @param version: a version that was read from a file, without later changes.
    @param progress: called with the number of names done, and of all.
    @param processes: how many may be used; by default one for each core. More than one are for programs without threads.

    @raise StorageFault: a process has ended, as when there is not enough memory.
    """
    verifier = _Verifier(version)
    count = version.image.nodes
    most = len(os.sched_getaffinity(0)) if processes is None else processes
    parts = _inTurn(verifier, count) if most < 2 or count < _MANY else _together(verifier, count, most)
    right, done, unknown = 0, 0, Counter[str]()
    wrong: list[_Wrong] = []
    for names, some, found, reasons in parts:
        done += names
        right += some
        wrong += found
        unknown.update(reasons)
        progress(done, count)
    for owner, rrType, text in sorted(wrong):
        report.say("rrsig-wrong", owner, text, rrType)
    return Verified(right, dict(unknown))


#: How many names were looked at, how many signatures are right, which are not, and how many could not be verified for which reason.
_Part = tuple[int, int, list[_Wrong], dict[str, int]]


class _Verifier:
    def __init__(self, version: Version) -> None:
        self.version = version
        self.apex = version.apex
        self.keys: dict[tuple[int, int], list[ZoneKey]] = {}
        found = version.top.of(DNSKEY)
        for rdata in () if found is None else found.rdatas:
            key = ZoneKey(rdata)
            self.keys.setdefault((key.tag, key.algorithm), []).append(key)

    def part(self, begin: int) -> _Part:
        """
        Verify the names of one step.
        """
        image = self.version.image
        end = min(begin + _STEP, image.nodes)
        right, wrong, unknown = 0, list[_Wrong](), Counter[str]()
        for index in range(begin, end):
            right += self._name(image.node(index), wrong, unknown)
        return end - begin, right, wrong, dict(unknown)

    def _name(self, node: Node, wrong: list[_Wrong], unknown: Counter[str]) -> int:
        """
        Verify the signatures of a name; return how many are right.
        """
        right = 0
        sets = {kindOf(rrset): rrset for rrset in node.sets}
        for (rrType, covered), signatures in sets.items():
            signed = sets.get((covered, 0))
            if rrType != RRSIG or signed is None:
                continue
            for rdata in signatures.rdatas:
                try:
                    signature = Signature.fromRdata(rdata)
                except BadMessage:
                    continue
                keys = self.keys.get((signature.keyTag, signature.algorithm), [])
                if not keys or signature.signer != self.apex:
                    # That is another finding.
                    continue
                problem = next((key.problem for key in keys if key.problem), "")
                data = signedData(signed, signature)
                if any(key.verify(signature.octets, data) for key in keys):
                    right += 1
                elif problem:
                    unknown[f"of {algorithmName(signature.algorithm)}: {problem}"] += 1
                else:
                    text = f"the signature of {typeName(covered)} by key {signature.keyTag} is wrong"
                    wrong.append((signed.name, covered, text))
        return right


def _inTurn(verifier: _Verifier, count: int) -> Iterator[_Part]:
    for begin in range(0, count, _STEP):
        yield verifier.part(begin)


#: That of a process that verifies parts, which has it from the one that started it.
_own: list[_Verifier] = []


def _together(verifier: _Verifier, count: int, most: int) -> Iterator[_Part]:
    """
    Verify parts in several processes, which share the memory that has the zone.
    """
    pool = ProcessPoolExecutor(most, get_context("fork"), _begin, (verifier, os.getpid()))
    try:
        for each in as_completed([pool.submit(_partOf, begin) for begin in range(0, count, _STEP)]):
            yield each.result()
    except BrokenProcessPool:
        raise StorageFault("a process that verifies signatures has ended; is there enough memory?") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(verifier: _Verifier, parent: int) -> None:
    # A Ctrl-C is for the command, which ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # If the command was killed, nothing else tells them.
    signal.signal(signal.SIGALRM, lambda number, frame: None if os.getppid() == parent else os._exit(1))
    signal.setitimer(signal.ITIMER_REAL, _LOOK, _LOOK)
    _own[:] = [verifier]


def _partOf(begin: int) -> _Part:
    return _own[0].part(begin)
