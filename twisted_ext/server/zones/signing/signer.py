"""
The process with the private keys, as the server sees it: it is asked for the public parts of a zone's keys, and for signatures. It is
started when it is first needed, killed if it hangs or says what makes no sense, and started again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from struct import error
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger

from twisted_ext.dnssec.privatekeys.roles import Signers, Turn
from twisted_ext.dnssec.privatekeys.signingkey import SigningKey
from twisted_ext.errors import KeyFault
from twisted_ext.server.limits import SIGNER_PAUSE, SIGNER_SILENCE
from twisted_ext.server.process.jobs.subprocess import spawnModule
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.sign.frames import DONE, FORGET, HEAD, LENGTH, OPEN, SIGN, SIZE, WANTED

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.server.zones.images.imagefiles import Source
    from twisted_ext.zone.sign.completer import Wanted

__all__ = ["OpenedKeys", "Signer"]

_MODULE: Final = "twisted_ext.zone.sign.child"

#: Octets of a frame that the process may send: far more than the signatures of the most names that are signed together.
_MOST: Final = 1 << 26

_UINT32: Final = 0xFFFFFFFF

_log: Final = Logger(__name__)


class OpenedKeys:
    """
    The keys of a zone at a time.

    @ivar signers: the public parts of those that sign, with their roles.
    @ivar published: rdata of further DNSKEY records.
    @ivar due: when one of them does something else next, in seconds since 1970; 0 for never.
    @ivar said: what the operator should know of keys that do not sign yet, or still do.
    @ivar sources: the folder and the files they are read from, with their status.
    """

    __slots__ = ("signers", "published", "due", "said", "sources", "asked", "number", "child", "_indexes")

    def __init__(self, asked: bytes, number: int, child: object, result: bytes) -> None:
        """
        @param asked: the request that they are the result of, its number, and C{child}, the process.

        @raise ValueError: the result makes no sense.
        """
        try:
            said = json.loads(result)
            keys = [SigningKey(bytes.fromhex(dnskey)) for dnskey, *_ in said["keys"]]
            does = [*zip(keys, said["keys"], strict=True)]
            withheld, ofKeys, hidden = (
                [key for key, (_, *marks) in does if bool(marks[place]) is wanted] for place, wanted in enumerate((False, True, False))
            )
            ofRest = [Turn(float(at), [keys[index] for index in indexes]) for at, indexes in said["turns"]]
            self.published = tuple([bytes.fromhex(each) for each in said["published"]])
            self.due = int(said["due"])
            self.said = [str(line) for line in said["said"]]
            self.sources: tuple[Source, ...] = tuple([(str(path), int(size), int(changed)) for path, size, changed in said["sources"]])
        except (KeyError, TypeError, IndexError) as wrong:
            raise ValueError(str(wrong)) from None
        self.signers = Signers(keys, withheld, ofKeys, ofRest, hidden)
        self.asked = asked
        self.number = number
        self.child = child
        self._indexes = {key.dnskey: index for index, key in enumerate(keys)}

    def indexOf(self, key: SigningKey) -> int:
        return self._indexes[key.dnskey]

    def isSame(self, other: OpenedKeys) -> bool:
        """
        Return whether the same keys sign.
        """
        return self._indexes == other._indexes


class _Child(ProcessProtocol):
    """
    One process.
    """

    transport: IProcessTransport

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.waiting: dict[int, Deferred[bytes]] = {}
        self.hasAnswered = False
        self._left = bytearray()
        self._complained = b""

    def ask(self, number: int, kind: int, rest: bytes, result: Deferred[bytes] | None) -> None:
        if result is not None:
            self.waiting[number] = result
        with suppress(KeyError):
            self.transport.writeToChild(0, SIZE.pack(HEAD.size + len(rest)) + HEAD.pack(number, kind) + rest)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD != 1:
            self._complained = (self._complained + data)[-2000:]
            return
        left = self._left
        left += data
        begin = 0
        while len(left) >= begin + SIZE.size:
            size = SIZE.unpack_from(left, begin)[0]
            if not HEAD.size <= size <= _MOST:
                self._signer.distrust(self)
                return
            end = begin + SIZE.size + size
            if len(left) < end:
                break
            number, status = HEAD.unpack_from(left, begin + SIZE.size)
            result = self.waiting.pop(number, None)
            if result is None:
                self._signer.distrust(self)
                return
            octets = bytes(left[begin + SIZE.size + HEAD.size : end])
            begin = end
            self.hasAnswered = True
            self._signer.heard(self)
            if status == DONE:
                result.callback(octets)
            else:
                result.errback(KeyFault(octets.decode("utf-8", "replace")))
        del left[:begin]

    def kill(self) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        words = self._complained.decode("utf-8", "replace").strip().splitlines()
        self._signer.ended(self, words[-1] if words else reason.getErrorMessage())


class Signer:
    """
    The process with the keys of all zones.
    """

    def __init__(
        self, reactor: IReactorTime, *, spawn: Callable[..., object] = spawnModule, silence: float | None = None
    ) -> None:
        """
        @param reactor: provides L{IReactorProcess<twisted.internet.interfaces.IReactorProcess>} as well.
        @param spawn: see L{spawnModule}.
        @param silence: seconds without a result after which the process is killed.
        """
        self._reactor = reactor
        self._spawn = spawn
        self._silence = SIGNER_SILENCE.pick(silence)
        self._child: _Child | None = None
        self._number = 0
        self._watch: IDelayedCall | None = None
        # Until when no process is started after one that ended, and for how long after the next one.
        self._again = 0.0
        self._pause = SIGNER_PAUSE.default
        self._why = ""
        self._closed = False

    # -- requests

    def open(self, folder: str, apex: bytes, now: float, served: Sequence[bytes] | None = None, ttl: int = 0) -> Deferred[OpenedKeys]:
        """
        Have the keys of a zone read.

        @param folder: that of the zone's keys.
        @param now: seconds since 1970.
        @param served: the DNSKEY records that are served; L{None} if there are none.
        @param ttl: for how long resolvers keep these, in seconds.

        @return: fails with L{KeyFault} if they cannot be used, or the process does not answer.
        """
        known = None if served is None else [each.hex() for each in served]
        asked = json.dumps({"folder": folder, "zone": nameToText(apex), "now": now, "served": known, "ttl": ttl}).encode()
        return self._open(asked)

    def _open(self, asked: bytes) -> Deferred[OpenedKeys]:
        try:
            child = self._living()
        except KeyFault:
            return fail()
        result: Deferred[bytes] = Deferred()
        number = self._ask(child, OPEN, asked, result)
        return result.addCallback(lambda octets: self._opened(child, asked, number, octets))

    def _opened(self, child: _Child, asked: bytes, number: int, octets: bytes) -> OpenedKeys:
        try:
            return OpenedKeys(asked, number, child, octets)
        except ValueError:
            self.distrust(child)
            raise KeyFault("the process with the keys says what makes no sense") from None

    def sign(self, keys: OpenedKeys, wanted: Sequence[Wanted]) -> Deferred[list[bytes]]:
        """
        Have signatures made.

        @param wanted: what is to be signed, and with which of these keys.

        @return: fires with one signature for each. Fails with L{KeyFault} if the process does not answer, or has other keys by now.
        """
        if keys.child is not self._child or self._child is None:
            # It was started again since then.
            return self._open(keys.asked).addCallback(self._continued, keys, wanted)
        parts = [SIZE.pack(keys.number)]
        for key, data in wanted:
            parts += (WANTED.pack(keys.indexOf(key), len(data)), data)
        result: Deferred[bytes] = Deferred()
        child = self._child
        self._ask(child, SIGN, b"".join(parts), result)
        return result.addCallback(self._signatures, child, len(wanted))

    def _continued(self, opened: OpenedKeys, keys: OpenedKeys, wanted: Sequence[Wanted]) -> Deferred[list[bytes]]:
        if not opened.isSame(keys):
            raise KeyFault("other keys sign the zone by now")
        keys.number, keys.child = opened.number, opened.child
        return self.sign(keys, wanted)

    def _signatures(self, octets: bytes, child: _Child, count: int) -> list[bytes]:
        found: list[bytes] = []
        position = 0
        with suppress(error):
            while position < len(octets):
                begin = position + LENGTH.size
                position = begin + LENGTH.unpack_from(octets, position)[0]
                found.append(octets[begin:position])
        if position != len(octets) or len(found) != count:
            self.distrust(child)
            raise KeyFault("the process with the keys says what makes no sense")
        return found

    def forget(self, keys: OpenedKeys) -> None:
        """
        Have the keys of a zone forgotten.
        """
        if keys.child is self._child and self._child is not None:
            self._ask(self._child, FORGET, SIZE.pack(keys.number), None)

    def _ask(self, child: _Child, kind: int, rest: bytes, result: Deferred[bytes] | None) -> int:
        self._number = number = self._number + 1 & _UINT32
        if result is not None and self._watch is None:
            self._watch = self._reactor.callLater(self._silence, self._silent)
        child.ask(number, kind, rest, result)
        return number

    # -- the process

    def _living(self) -> _Child:
        """
        Return the process; start it if there is none.

        @raise KeyFault: it ended a moment ago, or cannot be started.
        """
        if self._child is not None:
            return self._child
        left = self._again - self._reactor.seconds()
        if self._closed or left > 0:
            raise KeyFault("the server is stopping" if self._closed else f"{self._why}; it is started again in {left:.0f} s")
        child = _Child(self)
        try:
            self._spawn(self._reactor, child, _MODULE, descriptors={0: "w", 1: "r", 2: "r"}, undisturbed=True)
        except OSError as fault:
            self._rest(f"no process for the keys can be started: {fault.strerror or fault}")
            raise KeyFault(self._why) from None
        self._child = child
        return child

    def _rest(self, why: str) -> None:
        self._why = why
        self._again = self._reactor.seconds() + self._pause
        _log.error("{why}; it is started again when it is needed, in {pause:g} s at the earliest", why=why, pause=self._pause)
        self._pause = min(2 * self._pause, SIGNER_PAUSE.most)

    def heard(self, child: _Child) -> None:
        """
        Note a result.
        """
        self._pause = SIGNER_PAUSE.default
        if self._watch is not None:
            if child.waiting:
                self._watch.reset(self._silence)
            else:
                self._watch.cancel()
                self._watch = None

    def _silent(self) -> None:
        self._watch = None
        child = self._child
        if child is not None:
            self._drop(child, f"the process with the keys has said nothing for {self._silence:g} s, and was ended")

    def distrust(self, child: _Child) -> None:
        """
        End a process that says what makes no sense.
        """
        if child is self._child:
            self._drop(child, "the process with the keys said what makes no sense, and was ended")

    def ended(self, child: _Child, why: str) -> None:
        """
        Handle the end of a process.
        """
        if child is self._child:
            self._drop(child, f"the process with the keys has ended: {why}")

    def _drop(self, child: _Child, why: str) -> None:
        self._child = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if not self._closed:
            self._rest(why)
        child.kill()
        waiting, child.waiting = child.waiting, {}
        for result in waiting.values():
            result.errback(KeyFault(why))

    def close(self) -> None:
        """
        End the process. What waits for it fails.
        """
        self._closed = True
        if self._child is not None:
            self._drop(self._child, "the server is stopping")
