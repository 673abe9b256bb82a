"""
Tests of L{twisted_ext.resolver.recursive.rollovers}: the trust anchors of a server in an internet whose root key is replaced.
"""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from pathlib import Path
from time import process_time
from typing import cast
from unittest.mock import patch

from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import QueryContext, Security
from twisted_ext.dnssec.anchors import rollover, statefile
from twisted_ext.dnssec.anchors.rollover import KeyState
from twisted_ext.dnssec.anchors.statefile import trustPointFromText
from twisted_ext.dnssec.keys import REVOKED, SECURE_ENTRY_POINT, keyTag
from twisted_ext.errors import DNSFault, TrustFault
from twisted_ext.files import STATE_FILE
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import Limit
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.rollovers import stateFileFor
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources.recursor import Recursor, readGiven
from twisted_ext.server.sources.upstreams import ListenAddresses
from twisted_ext.testing.internet import DAY, Fault, Internet, KeyPlan, Roll
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import NULL

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

#: The second key appears after 100 days, signs from 160 on, and the first is revoked on day 190.
ROLL = KeyPlan(kskLifetime=160 * DAY, roll=Roll.TRUST_ANCHOR, ttl=2 * DAY)


class RollingCase(SynchronousTestCase):
    """
    An internet whose root key is replaced, and servers in it that follow.
    """

    plan = ROLL
    start = START

    def setUp(self) -> None:
        self.internet = internet = Internet(seed=5, start=self.start, rootServers=["a.root-servers.net"])
        internet.zone(".", signed=self.plan)
        internet.zone("example.org", "www 300 A 192.0.2.80")
        self.hints = Path(self.mktemp())
        self.hints.write_text(internet.hints)
        self.anchors = Path(self.mktemp())
        self.anchors.write_text(internet.anchors)
        self.state = Path(self.mktemp())
        self.file = self.state / "anchors" / "root.key"
        # The tests are about what is written, not about the disk.
        self.patch(os, "fsync", lambda descriptor: None)
        self.sources: dict[Recursor, IAnswerSource] = {}
        self.lines: list[str] = []
        observer = cast(ILogObserver, lambda event: self.lines.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def logged(self, words: str) -> list[str]:
        return [line for line in self.lines if words in line]

    def server(self, **values: object) -> Recursor:
        """
        Start a server, which is stopped at the end of the test.
        """
        usual: dict[str, object] = {
            "role": "recurse",
            "rootHints": str(self.hints),
            "trustAnchor": [str(self.anchors)],
            "trustAnchorSignaling": False,
            "state": str(self.state),
        }
        reactor = self.internet.reactor()
        given = readGiven(Settings.of(**usual | values), self.internet.time)
        server = Recursor(reactor, given, ListenAddresses((), 0), today=self.internet.time)
        self.addCleanup(self.stop, server)
        server.started()
        self.internet.advance(1)
        return server

    def source(self, server: Recursor) -> IAnswerSource:
        """
        Return what a server answers from.
        """
        if server not in self.sources:
            self.sources[server] = server.lend()
        return self.sources[server]

    def stop(self, server: Recursor) -> None:
        self.successResultOf(self.source(server).close())

    def days(self, count: float) -> None:
        """
        Let days pass.
        """
        self.internet.advance(count * DAY)

    def security(self, server: Recursor) -> Security:
        """
        Return the status of a name.
        """
        server.forget()
        context = QueryContext(self.internet.network.clock.seconds() + 30)
        try:
            return self.internet.wait(lookUp(self.source(server), questionOf("www.example.org", "A"), context), 35).security
        except TrustFault:
            return Security.BOGUS

    def states(self) -> list[KeyState]:
        """
        Return the states of the keys in the file, in the order in which they appeared.
        """
        point = trustPointFromText(self.file.read_text(), "state")
        # Less what the umask takes.
        self.assertEqual(self.file.stat().st_mode & 0o777 & ~STATE_FILE, 0)
        return [key.state for key in sorted(point.keys.values(), key=lambda key: list(self.tags()).index(key.tag))]

    def tags(self) -> dict[int, bool]:
        """
        Return the tags that the first keys of the root have, until they are revoked.
        """
        found: dict[int, bool] = {}
        for day in range(0, 800, 20):
            for planned in self.plan.at(b"5/\x00", self.start, self.start + day * DAY).keys:
                if planned.key.flags & SECURE_ENTRY_POINT and not planned.key.flags & REVOKED:
                    found.setdefault(keyTag(planned.key.dnskey), True)
        return found


class LifeTests(RollingCase):
    """
    Tests of the life of the root's keys.
    """

    def test_rootKeyIsReplaced(self) -> None:
        """
        A server that was given one key trusts its successor after thirty days, and not the revoked key; names validate all the time.
        """
        server = self.server()
        self.assertEqual(self.states(), [KeyState.VALID])
        seen: list[list[KeyState]] = [self.states()]
        for _ in range(120):
            self.days(2)
            if self.states() != seen[-1]:
                seen.append(self.states())
            self.assertIs(self.security(server), Security.SECURE)
        valid, pending, revoked, removed = KeyState.VALID, KeyState.ADD_PENDING, KeyState.REVOKED, KeyState.REMOVED
        first = [[valid], [valid, pending], [valid, valid], [revoked, valid]]
        self.assertEqual(seen[:4], first)
        self.days(45)
        self.assertEqual(self.states()[:2], [removed, valid])
        (trusted,) = server.trust.anchors.zones()
        self.assertEqual([keyTag(key) for key in trusted.keys][0], list(self.tags())[1])
        self.assertEqual(trusted.digests, ())

    def test_withoutStateTheOldKeyStays(self) -> None:
        """
        A server without a state folder trusts its configured key alone: when that is replaced, all is bogus.
        """
        server = self.server(state="")
        self.assertEqual(len(self.logged("trust anchors are fixed")), 1)
        self.assertIs(self.security(server), Security.SECURE)
        self.days(165)
        self.assertIs(self.security(server), Security.BOGUS)
        self.assertFalse(self.state.exists())

    def test_rolloversCanBeTurnedOff(self) -> None:
        """
        With C{trust-anchor-rollover = false} nothing is written, and no time is waited for.
        """
        server = self.server(trustAnchorRollover=False)
        self.days(165)
        self.assertIs(self.security(server), Security.BOGUS)
        self.assertFalse(self.file.exists())

    def test_newKeyIsHeldDown(self) -> None:
        """
        A new key is not trusted for thirty days, however often it is seen; without the hold-down time it would be.
        """
        server = self.server()
        self.days(100 + 28)
        self.assertEqual(self.states(), [KeyState.VALID, KeyState.ADD_PENDING])
        self.days(4)
        self.assertEqual(self.states(), [KeyState.VALID, KeyState.VALID])
        self.stop(server)
        other = Internet(seed=5, start=START, rootServers=["a.root-servers.net"])
        other.zone(".", signed=self.plan)
        self.internet = other
        shutil.rmtree(self.state)
        off = Limit(default=0, least=0, most=0)
        with patch.object(rollover, "ANCHOR_ADD_SECONDS", off), patch.object(statefile, "ANCHOR_ADD_SECONDS", off):
            self.server()
            self.days(100 + 6)
        self.assertEqual(self.states(), [KeyState.VALID, KeyState.VALID])

    def test_restartInTheMiddle(self) -> None:
        """
        A server that is stopped each ten days goes on where it was: hold-down times do not begin again.
        """
        for _ in range(17):
            server = self.server()
            self.days(10)
            self.stop(server)
        server = self.server()
        self.assertEqual(self.states(), [KeyState.VALID, KeyState.VALID])
        self.assertIs(self.security(server), Security.SECURE)
        for _ in range(4):
            self.stop(server)
            server = self.server()
            self.days(10)
        self.assertEqual(self.states(), [KeyState.REVOKED, KeyState.VALID])
        self.assertIs(self.security(server), Security.SECURE)

    def test_revokedKeyStaysRevokedAfterARestart(self) -> None:
        """
        A configured key that the state file says is revoked is not trusted again, and the log says so.
        """
        server = self.server()
        self.days(195)
        self.stop(server)
        self.lines.clear()
        server = self.server()
        self.assertEqual(len(self.logged("is configured, but was revoked")), 1)
        (trusted,) = server.trust.anchors.zones()
        self.assertNotIn(list(self.tags())[0], trusted.tags())
        self.assertIs(self.security(server), Security.SECURE)

    def test_serverThatSleptThroughTheRoll(self) -> None:
        """
        A server that was off while its key was replaced is bogus, and each line of the log names the key that was expected.
        """
        self.stop(self.server())
        self.days(230)
        server = self.server()
        self.assertIs(self.security(server), Security.BOGUS)
        (line,) = self.logged("has a valid signature")
        self.assertIn(str(list(self.tags())[0]), line)

    def test_unansweredQueriesAreRepeated(self) -> None:
        """
        While the root is dead, the keys are queried for again and again, the log is not filled, and nothing is forgotten.
        """
        server = self.server()
        before = server.trust.anchors.zones()[0].keys
        self.internet.inject(Fault.DEAD, "a.root-servers.net")
        self.lines.clear()
        self.days(3)
        self.assertGreater(trustPointFromText(self.file.read_text(), "").failures, 8)
        self.assertLess(len(self.logged("could not be fetched")), 5)
        self.assertEqual(server.trust.anchors.zones()[0].keys, before)

    def test_otherZones(self) -> None:
        """
        A key of another zone is followed in a file of its own.
        """
        self.internet.zone("corp.example", "www 300 A 192.0.2.81", signed=ROLL)
        own = Path(self.mktemp())
        own.write_text(self.internet.anchorsOf("corp.example"))
        self.server(trustAnchor=[str(self.anchors), str(own)])
        self.days(135)
        for name in ("root.key", "corp.example.key"):
            point = trustPointFromText((self.state / "anchors" / name).read_text(), name)
            self.assertEqual([key.state for key in point.keys.values()], [KeyState.VALID, KeyState.VALID])

    def test_staticKeysAreNotFollowed(self) -> None:
        """
        An anchor that is C{static-ds} in a file for BIND is neither followed nor written.
        """
        fields = self.internet.anchors.split(" DS ")[1] if " DS " in self.internet.anchors else self.internet.anchors.split("DS")[1]
        tag, algorithm, kind, digest = fields.split()
        self.anchors.write_text(f'trust-anchors {{ "." static-ds {tag} {algorithm} {kind} "{digest}"; }};\n')
        server = self.server()
        self.days(40)
        self.assertFalse(self.file.exists())
        self.assertIs(self.security(server), Security.SECURE)


class RootTests(RollingCase):
    """
    The root's roll of 2024 to 2026, with the dates of IANA's plan.
    """

    start = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    roll = datetime(2026, 10, 11, tzinfo=UTC).timestamp()
    plan = KeyPlan(
        8,
        kskLifetime=roll - start,
        roll=Roll.TRUST_ANCHOR,
        lead=roll - datetime(2025, 1, 11, tzinfo=UTC).timestamp(),
        grace=92 * DAY,
        hold=70 * DAY,
        ttl=10 * DAY,
    )

    def test_rollOf2026(self) -> None:
        """
        Servers with the key of 2017, with that of 2024, with both, and one that is installed during the roll validate all the time, and
        the first trusts the key of 2024 in February 2025.
        """
        old = self.anchors.read_text()
        keys = [each.key for each in self.plan.at(b"5/\x00", self.start, self.roll).keys if each.key.flags & SECURE_ENTRY_POINT]
        self.assertEqual(len(keys), 2)
        new = f". IN DNSKEY 257 3 8 {b64encode(keys[1].dnskey[4:]).decode()}\n"
        given = {"2017": old, "2024": new, "both": old + new}
        servers = {}
        for name, text in given.items():
            servers[name] = self.installed(text)
        # A server with the key of 2024 alone must not believe the root before that signs.
        expected = {"2017": Security.SECURE, "2024": Security.BOGUS, "both": Security.SECURE}
        self.assertEqual({name: self.security(server) for name, server in servers.items()}, expected)
        self.stop(servers.pop("2024"))
        self.days(10 + 29)
        self.assertEqual(len(servers["2017"].trust.anchors.zones()[0].keys), 1)
        self.days(12)
        self.assertEqual(len(servers["2017"].trust.anchors.zones()[0].keys), 2)
        self.days((self.roll - self.internet.time()) // DAY - 1)
        servers["installed in 2026"] = self.installed(given["both"])
        for _ in range(3):
            # Before the roll, after it, and with the old key revoked.
            found = {name: self.security(server) for name, server in servers.items()}
            self.assertEqual(set(found.values()), {Security.SECURE}, found)
            self.days(48)
        servers["2024"] = self.installed(new)
        self.assertIs(self.security(servers["2024"]), Security.SECURE)
        for name, server in servers.items():
            tags = server.trust.anchors.zones()[0].tags()
            self.assertIn(keys[1].tag, tags, name)
            self.assertNotIn(keys[0].tag, tags, name)

    def installed(self, text: str) -> Recursor:
        """
        Start a server with these anchors and a state folder of its own.
        """
        path = Path(self.mktemp())
        path.write_text(text)
        return self.server(trustAnchor=[str(path)], state=self.mktemp())


class DecadeTests(RollingCase):
    """
    Ten years.
    """

    plan = KeyPlan(kskLifetime=730 * DAY, roll=Roll.TRUST_ANCHOR, ttl=30 * DAY, validity=120 * DAY, refresh=30 * DAY)

    def test_tenYears(self) -> None:
        """
        A server follows the root through five keys in ten years.
        """
        server = self.server()
        first = server.trust.anchors.zones()[0].tags()
        began = process_time()
        self.days(3650)
        took = process_time() - began
        self.assertIs(self.security(server), Security.SECURE)
        self.assertEqual(len(self.logged("it is trusted")), 6)
        self.assertNotEqual(server.trust.anchors.zones()[0].tags(), first)
        # About a second of this process.
        self.assertLess(took, 15)


class DamageTests(RollingCase):
    """
    Tests of state that is damaged, or cannot be written.
    """

    def test_damagedState(self) -> None:
        """
        A damaged state is one line of the log with file, reason and remedy; the configured anchors are used, and the file is kept. Once it
        is restored, rollovers are followed again.
        """
        self.stop(self.server())
        good = self.file.read_bytes()
        for damaged, words in (
            (good[:-90], "the checksum at its end is missing"),
            (good.replace(b"VALID", b"valid"), "do not have this checksum"),
            (b"\xff\xfe", "not UTF-8"),
            (b"", "this is not the state of a trust anchor"),
            (b"x" * ((1 << 20) + 1), "at most 1048576 are allowed"),
        ):
            self.lines.clear()
            self.file.write_bytes(damaged)
            server = self.server()
            (line,) = self.logged(str(self.file))
            self.assertIn(words, line)
            self.assertIn("restore the file, or remove it", line)
            self.assertEqual(len(line.splitlines()), 1)
            self.assertIs(self.security(server), Security.SECURE)
            self.days(1)
            self.assertEqual(self.file.read_bytes(), damaged)
            self.assertEqual(len(self.logged(str(self.file))), 1)
            self.file.write_bytes(good)
            self.days(3)
            self.assertEqual([point.zone for point in server.rollovers.points()] if server.rollovers else [], [ROOT])
            self.stop(server)

    def test_stateOfAnotherZone(self) -> None:
        """
        The state of another zone is not used, and the log says so.
        """
        self.stop(self.server())
        self.file.write_text(self.file.read_text().replace(";;id: .", ";;id: com.").partition(";;sha256")[0].replace("twisted_ext", "x"))
        self.lines.clear()
        server = self.server()
        self.assertEqual(len(self.logged(str(self.file))), 1)
        self.assertIs(self.security(server), Security.SECURE)

    def test_stateCannotBeWritten(self) -> None:
        """
        If the folder cannot be made, the log says so once, and rollovers are followed in memory.
        """
        self.state.write_text("a file where the folder should be")
        server = self.server()
        self.days(135)
        (line,) = self.logged("cannot be written")
        self.assertIn(str(self.file), line)
        self.assertEqual(len(server.trust.anchors.zones()[0].keys), 2)
        self.state.unlink()
        self.days(3)
        self.assertEqual(self.states(), [KeyState.VALID, KeyState.VALID])
        self.assertEqual(len(self.logged("is written again")), 1)

    def test_stateIsWrittenAtOnce(self) -> None:
        """
        A file that cannot be completed leaves the old state.
        """
        self.stop(self.server())
        before = self.file.read_bytes()
        self.days(5)
        with patch.object(os, "fsync", side_effect=OSError(28, "No space left on device")):
            self.server()
        self.assertEqual(self.file.read_bytes(), before)
        self.assertIn("No space left on device", self.logged("cannot be written")[0])
        self.assertEqual(sorted(os.listdir(self.file.parent)), ["lock", "root.key"])

    def test_processesTakeTurns(self) -> None:
        """
        Of several processes with one folder one queries, and all trust what it learns.
        """
        first, second = self.server(), self.server()
        self.internet.exchanges.clear()
        self.days(135)
        asked = [each for each in self.internet.exchanges if each.query.questions[0].rrType == 48]
        # The root's keys live two days, so that they are queried for each day.
        self.assertLess(len(asked), 150)
        for server in (first, second):
            self.assertEqual(len(server.trust.anchors.zones()[0].keys), 2)

    def test_anotherProcessIsWaitedFor(self) -> None:
        """
        While another process has the lock, no query is sent.
        """
        self.file.parent.mkdir(parents=True)
        with open(self.file.parent / "lock", "w") as lock:
            flock(lock, LOCK_EX)
            server = self.server()
            self.internet.advance(600)
            self.assertEqual(list(self.internet.exchanges), [])
            self.assertIs(self.security(server), Security.SECURE)
        self.internet.advance(61)
        self.assertTrue(self.file.exists())

    def test_reloadReadsTheState(self) -> None:
        """
        After the state file was removed, a reload begins with the configured anchors.
        """
        server = self.server()
        self.days(195)
        self.assertEqual(self.states(), [KeyState.REVOKED, KeyState.VALID])
        self.anchors.write_text(self.internet.anchors)
        self.file.unlink()
        given = readGiven(server.given.settings, self.internet.time)
        self.assertTrue(server.isBuiltFor(given))
        server.apply(given)
        self.internet.advance(1)
        self.assertIs(self.security(server), Security.SECURE)
        point = trustPointFromText(self.file.read_text(), "")
        self.assertEqual([key.state for key in point.keys.values()], [KeyState.VALID])

    def test_reloadDuringAQuery(self) -> None:
        """
        A reload while the keys are being queried for takes effect at once, and the query is repeated.
        """
        reactor = self.internet.reactor()
        settings = Settings.of(role="recurse", rootHints=str(self.hints), trustAnchor=[str(self.anchors)], state=str(self.state))
        server = Recursor(reactor, readGiven(settings), ListenAddresses((), 0), today=self.internet.time)
        self.addCleanup(self.stop, server)
        server.started()
        self.internet.advance(0.005)
        self.anchors.write_text(f". IN DS 1 13 2 {'00' * 32}\n")
        server.apply(readGiven(settings))
        self.assertEqual(server.trust.anchors.zones()[0].tags(), (1,))
        self.internet.advance(1)
        self.assertEqual(server.trust.anchors.zones()[0].tags(), (1,))
        self.assertEqual(len(self.logged("has a valid signature")), 1)

    def test_nothingIsLeftWhenItStops(self) -> None:
        """
        A server that is stopped at any time of a round leaves neither timers nor the lock.
        """
        for seconds in (0.0, 0.005, 0.03, 1.0):
            reactor = self.internet.reactor()
            settings = Settings.of(role="recurse", rootHints=str(self.hints), trustAnchor=[str(self.anchors)], state=str(self.state))
            server = Recursor(reactor, readGiven(settings), ListenAddresses((), 0), today=self.internet.time)
            server.started()
            self.internet.advance(seconds)
            self.stop(server)
            self.internet.advance(0)
            self.assertEqual(reactor.pending(), [])
            with open(self.file.parent / "lock", "w") as lock:
                flock(lock, LOCK_EX)


class SignalTests(RollingCase):
    """
    Tests of the signal (RFC 8145) and the sentinel (RFC 8509).
    """

    def signals(self) -> list[bytes]:
        return [each.query.questions[0].name for each in self.internet.exchanges if each.query.questions[0].rrType == NULL]

    def test_signalEachDay(self) -> None:
        """
        The root's operators are told once a day which keys are trusted; not if the setting says so.
        """
        tag = list(self.tags())[0]
        server = self.server(trustAnchorSignaling=True, state="")
        self.assertEqual(self.signals(), [nameFromText(f"_ta-{tag:04x}")])
        self.days(10)
        self.assertIn(len(self.signals()), (10, 11))
        self.stop(server)
        self.internet.exchanges.clear()
        self.server()
        self.days(3)
        self.assertEqual(self.signals(), [])

    def test_sentinel(self) -> None:
        """
        The name that says that a trusted key is not trusted is answered by a failure, unless the setting is off; CD shows the data.
        """
        tag = list(self.tags())[0]
        names = [f"root-key-sentinel-{how}-ta-{tag:05d}.example.net" for how in ("is", "not")]
        self.internet.zone("example.net", "\n".join([f"{name}. 300 A 192.0.2.82" for name in names]))

        def isAnswered(server: Recursor, name: str, checkingDisabled: bool = False) -> bool:
            context = QueryContext(self.internet.network.clock.seconds() + 30, checkingDisabled=checkingDisabled)
            try:
                return bool(self.internet.wait(lookUp(self.source(server), questionOf(name, "A"), context), 35).answer)
            except DNSFault:
                return False

        server = self.server()
        self.assertEqual([isAnswered(server, name) for name in names], [True, False])
        self.assertTrue(isAnswered(server, names[1], True))
        server = self.server(rootKeySentinel=False)
        self.assertEqual([isAnswered(server, name) for name in names], [True, True])


class NameTests(SynchronousTestCase):
    """
    Tests for L{stateFileFor}.
    """

    def test_namesAreSafe(self) -> None:
        """
        Each zone has a file of its own, whose name is safe on any file system.
        """
        names = [".", "root", "example.org", "a/b.example", "..", "x" * 63, ".".join(["x" * 63] * 3), "-", "a\\.b.example", "\\000.example"]
        found = [stateFileFor(nameFromText(name) if name != ".." else b"\x02..\x00") for name in names]
        self.assertEqual(len(set(found)), len(names))
        self.assertEqual(found[0], "root.key")
        self.assertEqual(found[2], "example.org.key")
        for name in found:
            self.assertNotIn("/", name)
            self.assertFalse(name.startswith("."))
            self.assertLess(len(name), 220)

