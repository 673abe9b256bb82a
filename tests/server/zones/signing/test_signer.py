"""
Tests of L{twisted_ext.server.zones.signing.signer}, with what the process with the keys does done in this one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ProcessExitedAlready
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import unchecked
from twisted_ext.dnssec.algorithms import ECDSA_P256, ED25519
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.privatekeys.keyring import makeKeys
from twisted_ext.errors import KeyFault
from twisted_ext.server.limits import SIGNER_PAUSE, SIGNER_SILENCE
from twisted_ext.server.zones.signing.signer import OpenedKeys, Signer
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.sign.child import KeyChild
from twisted_ext.zone.sign.completer import Wanted
from twisted_ext.zone.sign.frames import HEAD, SIZE

APEX = nameFromText("example.org")
_NOW = 1_900_000_000
_SILENCE = SIGNER_SILENCE.default


class Child:
    """
    A process that works when it is told to.
    """

    def __init__(self, protocol: object) -> None:
        self.protocol = protocol
        cast("_Protocol", protocol).transport = self
        self.asked = b""
        self.isOver = False
        self._keys = KeyChild()

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """
        Take a request.
        """
        if self.isOver:
            raise KeyError(descriptor)
        self.asked += data

    def signalProcess(self, signal: str) -> None:
        """
        End at once, as by SIGKILL.
        """
        if self.isOver:
            raise ProcessExitedAlready
        self.end()

    def end(self) -> None:
        """
        End, and say so.
        """
        self.isOver = True
        cast("_Protocol", self.protocol).processEnded(unchecked(Failure)(ConnectionDone()))

    def work(self, pieces: int = 1 << 20) -> None:
        """
        Do what was asked, and say it in pieces.
        """
        results = b"".join(self.results())
        for begin in range(0, len(results), pieces):
            self.say(results[begin : begin + pieces])

    def results(self) -> list[bytes]:
        """
        Do what was asked, and return the frames to be said.
        """
        asked, self.asked = self.asked, b""
        found: list[bytes] = []
        while asked:
            end = SIZE.size + SIZE.unpack_from(asked)[0]
            found.append(self._keys.answered(asked[SIZE.size : end]))
            asked = asked[end:]
        return found

    def say(self, data: bytes) -> None:
        """
        Say something.
        """
        cast("_Protocol", self.protocol).childDataReceived(1, data)


class _Protocol:
    transport: object
    childDataReceived: Callable[[int, bytes], None]
    processEnded: Callable[[Failure], None]


class SignerTests(SynchronousTestCase):
    """
    Tests with one zone and two keys.
    """

    def setUp(self) -> None:
        self.folder = str(Path(self.mktemp()).absolute())
        Path(self.folder).mkdir()
        makeKeys(self.folder, APEX, ECDSA_P256, _NOW - 100, split=True)
        self.clock = Clock()
        self.children: list[Child] = []
        self.forbidden = False
        self.signer = Signer(self.clock, spawn=self.spawn)
        self.addCleanup(self.close)

    def close(self) -> None:
        """
        End it, and check that nothing is left.
        """
        self.signer.close()
        self.assertTrue(all(child.isOver for child in self.children))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def spawn(self, reactor: object, protocol: object, module: str, **options: object) -> None:
        """
        Start a process.
        """
        if self.forbidden:
            raise OSError(11, "Resource temporarily unavailable")
        self.assertEqual(module, "twisted_ext.zone.sign.child")
        self.children.append(Child(protocol))

    def opened(self) -> OpenedKeys:
        """
        Return the keys of the zone.
        """
        opening = self.signer.open(self.folder, APEX, _NOW)
        self.children[-1].work()
        return self.successResultOf(opening)

    def wanted(self, keys: OpenedKeys, count: int = 3) -> list[Wanted]:
        """
        Return some data to sign, by both keys in turn.
        """
        several = keys.signers.keys
        return [Wanted(several[number % len(several)], b"\x00\x01%d" % number) for number in range(count)]

    def expectSigned(self, wanted: list[Wanted], signing: Deferred[list[bytes]]) -> None:
        """
        Check that each signature is right.
        """
        signatures = self.successResultOf(signing)
        for (key, data), signature in zip(wanted, signatures, strict=True):
            self.assertTrue(ZoneKey(key.dnskey).verify(signature, data))

    def failed(self, waiting: Deferred[list[bytes]] | Deferred[OpenedKeys]) -> str:
        """
        Return why something failed.
        """
        fault = self.failureResultOf(waiting, KeyFault).value
        assert isinstance(fault, KeyFault)
        return fault.text

    def test_signatures(self) -> None:
        """
        The public parts of the keys are read once, with their roles and times; each signature that comes is right and in its place, in
        whatever pieces they arrive, and whatever is asked in between.
        """
        keys = self.opened()
        self.assertEqual({key.flags for key in keys.signers.keys}, {256, 257})
        self.assertEqual([key.flags for key in keys.signers.entries], [257])
        self.assertEqual((keys.published, keys.due, keys.said, len(keys.sources)), ((), 0, [], 3))
        for pieces in (1, 7, 1 << 20):
            wanted, more = self.wanted(keys), self.wanted(keys, 40)
            first, second, none = [self.signer.sign(keys, each) for each in (wanted, more, [])]
            self.children[0].work(pieces)
            self.expectSigned(wanted, first)
            self.expectSigned(more, second)
            self.expectSigned([], none)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unusableKeys(self) -> None:
        """
        Keys that cannot be used are named in the error, and the process goes on.
        """
        path = next(Path(self.folder).glob("*.private"))
        path.chmod(0o644)
        opening = self.signer.open(self.folder, APEX, _NOW)
        self.children[0].work()
        self.assertIn(f"{path}: others may read it (mode 0644); chmod 600 it", self.failed(opening))
        path.chmod(0o600)
        self.opened()
        self.assertEqual(len(self.children), 1)

    def test_endsMeanwhile(self) -> None:
        """
        If the process ends, what waits for it fails; another one is started when signatures are wanted again, after a pause, and goes on
        with the same keys.
        """
        keys = self.opened()
        signing = self.signer.sign(keys, self.wanted(keys))
        with capturedLogs() as logs:
            self.children[0].end()
        self.assertIn("the process with the keys has ended", self.failed(signing))
        self.assertIn("it is started again when it is needed, in 1 s at the earliest", str(formatEvent(logs[0])))
        self.assertIn("it is started again in 1 s", self.failed(self.signer.sign(keys, self.wanted(keys))))
        self.clock.advance(SIGNER_PAUSE.default)
        wanted = self.wanted(keys)
        signing = self.signer.sign(keys, wanted)
        for _ in range(2):
            self.children[1].work()
        self.expectSigned(wanted, signing)
        self.assertEqual(len(self.children), 2)

    def test_otherKeysMeanwhile(self) -> None:
        """
        A process that was started again and finds other keys signs nothing with them for a version that has the former ones.
        """
        keys = self.opened()
        self.children[0].end()
        makeKeys(self.folder, APEX, ED25519, _NOW - 100)
        self.clock.advance(SIGNER_PAUSE.default)
        signing = self.signer.sign(keys, self.wanted(keys))
        self.children[1].work()
        self.assertEqual(self.failed(signing), "other keys sign the zone by now")

    def test_pausesGrow(self) -> None:
        """
        The pauses double while no process answers, up to a minute, and are short again once one has.
        """
        self.forbidden = True
        pauses: list[float] = []
        for _ in range(8):
            self.assertIn("no process for the keys can be started", self.failed(self.signer.open(self.folder, APEX, _NOW)))
            begun = self.clock.seconds()
            while True:
                self.clock.advance(1)
                if "started again" not in self.failed(self.signer.open(self.folder, APEX, _NOW)):
                    break
            pauses.append(self.clock.seconds() - begun)
        self.assertEqual(sorted(pauses), pauses)
        self.assertEqual(max(pauses), SIGNER_PAUSE.most)
        self.forbidden = False
        self.clock.advance(SIGNER_PAUSE.most)
        self.opened()
        self.children[0].end()
        self.clock.advance(SIGNER_PAUSE.default)
        self.opened()

    def test_silence(self) -> None:
        """
        A process that says nothing for ten seconds is ended, and what waits for it fails; one that is slow and says something is not.
        """
        keys = self.opened()
        several = [self.signer.sign(keys, self.wanted(keys)) for _ in range(3)]
        results = self.children[0].results()
        self.clock.advance(_SILENCE - 1)
        self.children[0].say(results[0])
        self.clock.advance(_SILENCE - 1)
        self.assertFalse(self.children[0].isOver)
        self.successResultOf(several[0])
        self.clock.advance(1)
        self.assertTrue(self.children[0].isOver)
        for signing in several[1:]:
            self.assertIn("has said nothing for 10 s, and was ended", self.failed(signing))

    def test_nonsense(self) -> None:
        """
        A process that says what makes no sense is ended: a result that nobody waits for, frames without end, results that are cut off, too
        few signatures, and text that is none.
        """
        for number, nonsense in enumerate((
            SIZE.pack(HEAD.size) + HEAD.pack(77777, 0),
            SIZE.pack(1 << 31),
            SIZE.pack(2),
            None,
            b"\x00\x05ab",
            b"\x00\x01a",
        )):
            keys = self.opened()
            signing = self.signer.sign(keys, self.wanted(keys))
            child = self.children[-1]
            if nonsense is None or not nonsense.startswith(b"\x00\x00") and len(nonsense) < 6:
                # The result of this request.
                nonsense = nonsense or b""
                asked = keys.number + 1
                nonsense = SIZE.pack(HEAD.size + len(nonsense)) + HEAD.pack(asked, 0) + nonsense
            child.say(nonsense)
            self.assertTrue(child.isOver, number)
            self.assertIn("what makes no sense", self.failed(signing))
            self.clock.advance(SIGNER_PAUSE.most)
        for text in (b"", b"[]", b'{"keys":[["zz",false]]}', json.dumps({"keys": [], "published": [], "due": "x"}).encode()):
            opening = self.signer.open(self.folder, APEX, _NOW)
            child = self.children[-1]
            number = HEAD.unpack_from(child.asked, SIZE.size)[0]
            child.say(SIZE.pack(HEAD.size + len(text)) + HEAD.pack(number, 0) + text)
            self.assertIn("what makes no sense", self.failed(opening))
            self.assertTrue(child.isOver)
            self.clock.advance(SIGNER_PAUSE.most)

    def test_forgotten(self) -> None:
        """
        Keys that are forgotten sign no more until they are opened again.
        """
        keys = self.opened()
        self.signer.forget(keys)
        signing = self.signer.sign(keys, self.wanted(keys))
        self.children[0].work()
        self.assertEqual(self.failed(signing), "the request is malformed")

    def test_closed(self) -> None:
        """
        When the server stops, what waits fails, and no process is started any more.
        """
        keys = self.opened()
        signing = self.signer.sign(keys, self.wanted(keys))
        self.signer.close()
        self.assertEqual(self.failed(signing), "the server is stopping")
        self.assertEqual(self.failed(self.signer.sign(keys, self.wanted(keys))), "the server is stopping")
        self.assertEqual(len(self.children), 1)
