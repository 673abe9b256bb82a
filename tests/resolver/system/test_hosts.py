"""
Tests of answering from a hosts file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import addresses
from twisted_ext.addressranges import reverseNameOf
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FILE_COMPLAINTS, HOSTS_ADDRESSES
from twisted_ext.resolver.policy.localanswers import PTR
from twisted_ext.resolver.system.hosts import Hosts, HostsTable, systemHostsPath
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText

FILE = b"""
# Comment
127.0.0.1       localhost
::1             localhost ip6-localhost
192.0.2.1       www.Example www   # behind it, too
192.0.2.2       www.example
2001:DB8:0::1   www.example.
192.0.2.3       only4
2001:db8::3     only6
"""


class HostsTests(SynchronousTestCase):
    """
    Tests for L{Hosts}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.path.write_bytes(FILE)
        self.hosts = Hosts(self.clock, str(self.path))

    def ask(self, name: str, rrType: str = "A") -> Answer | None:
        return self.hosts.answerNow(question(name, rrType), wishes())

    def found(self, name: str, rrType: str = "A") -> list[str]:
        answer = self.ask(name, rrType)
        assert answer is not None
        return addresses(answer)

    def write(self, data: bytes) -> None:
        """
        Put another file there, as an editor does, and let its time come.
        """
        other = Path(self.mktemp())
        other.write_bytes(data)
        os.replace(other, self.path)
        self.clock.advance(1)

    def test_interface(self) -> None:
        """
        It can stand wherever something answers questions.
        """
        verifyObject(IAnswerSource, self.hosts)
        self.assertEqual(self.hosts.sources(), ())

    def test_families(self) -> None:
        """
        All addresses of both families are given, in the order of the file, however the name is spelt.
        """
        self.assertEqual(self.found("WWW.example"), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.found("www.example", "AAAA"), ["2001:db8::1"])

    def test_any(self) -> None:
        """
        ANY finds the addresses of IPv4 where there are some, as with Twisted's own reader of hosts files, else those of IPv6; of an
        address it finds the name.
        """
        self.assertEqual(self.found("www.example", "ANY"), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.found("only6", "ANY"), ["2001:db8::3"])
        answer = self.ask("3.2.0.192.in-addr.arpa", "ANY")
        assert answer is not None
        self.assertEqual((answer.answer[0].rrType, answer.answer[0].rdatas[0]), (PTR, b"\x05only4\x00"))
        self.assertIsNone(self.ask("nosuch.example", "ANY"))

    def test_aliases(self) -> None:
        """
        Every name on a line has the line's address.
        """
        self.assertEqual(self.found("www"), ["192.0.2.1"])
        self.assertEqual(self.found("ip6-localhost", "AAAA"), ["::1"])

    def test_owner(self) -> None:
        """
        The records belong to the name as it was asked for.
        """
        answer = self.ask("wWw.example")
        assert answer is not None and answer.origin is not None
        self.assertEqual(nameToText(answer.answer[0].name), "wWw.example.")
        self.assertEqual((answer.origin.source, answer.origin.server), ("hosts", str(self.path)))

    def test_otherFamily(self) -> None:
        """
        A name that the file has with one family only has no addresses of the other: servers are not asked for them.
        """
        for name, rrType in (("only4", "AAAA"), ("only6", "A")):
            answer = self.ask(name, rrType)
            assert answer is not None
            self.assertIs(answer.outcome, Outcome.NODATA)

    def test_unknown(self) -> None:
        """
        Of other names and other types the file says nothing.
        """
        for name, rrType in (("other.example", "A"), ("www.example", "MX"), ("example", "A"), (".", "A")):
            self.assertIsNone(self.ask(name, rrType))
            self.failureResultOf(self.hosts.answer(question(name, rrType), wishes()), Unknown)

    def test_otherClass(self) -> None:
        """
        The file is about the Internet.
        """
        self.assertIsNone(self.hosts.answerNow(Question(question("www").name, 1, 3), wishes()))

    def test_reverse(self) -> None:
        """
        An address leads to the first name of its first line, in both families.
        """
        for packed, name in (
            (b"\xc0\x00\x02\x01", "www.Example."),
            (b"\x7f\x00\x00\x01", "localhost."),
            (bytes(15) + b"\x01", "localhost."),
            (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x03", "only6."),
        ):
            answer = self.hosts.answerNow(Question(reverseNameOf(packed).upper(), PTR), wishes())
            assert answer is not None
            self.assertEqual(nameToText(answer.answer[0].rdatas[0]), name)

    def test_noReverse(self) -> None:
        """
        Of other addresses, and of what only looks like one, the file says nothing.
        """
        for name in (
            "9.2.0.192.in-addr.arpa",
            "2.0.192.in-addr.arpa",
            "1.1.2.0.192.in-addr.arpa",
            "01.2.0.192.in-addr.arpa",
            "256.2.0.192.in-addr.arpa",
            "in-addr.arpa",
            "1.ip6.arpa",
            ".".join(["g"] * 32) + ".ip6.arpa",
            "www.example",
        ):
            self.assertIsNone(self.ask(name, "PTR"), name)

    def test_agrees(self) -> None:
        """
        What is at hand is what one gets.
        """
        for name, rrType in (("www", "A"), ("only4", "AAAA")):
            now = self.ask(name, rrType)
            later = self.successResultOf(self.hosts.answer(question(name, rrType), wishes()))
            assert now is not None
            self.assertEqual((now.outcome, now.answer), (later.outcome, later.answer))

    def test_change(self) -> None:
        """
        A changed file is used within a second, with no timer for it; until then it is not even looked at.
        """
        self.assertEqual(self.found("only4"), ["192.0.2.3"])
        self.path.write_bytes(b"192.0.2.77 only4 and more\n")
        self.clock.advance(0.9)
        self.assertEqual(self.found("only4"), ["192.0.2.3"])
        self.clock.advance(0.1)
        self.assertEqual(self.found("only4"), ["192.0.2.77"])
        self.assertIsNone(self.ask("www"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unchanged(self) -> None:
        """
        A file that stays as it is is not read again.
        """
        self.ask("www")
        table = self.hosts.table
        self.clock.advance(10)
        self.ask("www")
        self.assertIs(self.hosts.table, table)

    def test_gone(self) -> None:
        """
        Without the file nothing is known, until it is there.
        """
        self.ask("www")
        self.path.unlink()
        self.clock.advance(1)
        self.assertIsNone(self.ask("www"))
        self.assertIn("cannot be read", str(self.hosts.table.complaints))
        self.write(b"192.0.2.9 www")
        self.assertEqual(self.found("www"), ["192.0.2.9"])

    def test_clockSetBack(self) -> None:
        """
        A clock that is set back does not keep us from seeing a change.
        """
        self.clock.advance(1000)
        self.ask("www")
        self.path.write_bytes(b"192.0.2.77 www\n")
        self.clock.rightNow = 5.0
        self.assertEqual(self.found("www"), ["192.0.2.77"])

    def test_badLines(self) -> None:
        """
        A line that makes no sense is left out, the others are used, and explaining tells of it.
        """
        self.write(
            b"\xef\xbb\xbf192.0.2.1 first\r\n"
            b"300.0.2.1 bad\r\n"
            b"192.0.2.01 octal\n"
            b"192.0.2.5\n"
            b"fe80::1%eth0 scoped\n"
            b"192.0.2.6 a..b good-" + b"x" * 64 + b" fine\n"
            b"\xff\xfe\x00\n"
            b"192.0.2.7 \xff\xfe last\n"
        )
        self.assertEqual(self.found("first"), ["192.0.2.1"])
        self.assertEqual(self.found("fine"), ["192.0.2.6"])
        self.assertEqual(self.found("last"), ["192.0.2.7"])
        self.assertIsNone(self.ask("scoped", "AAAA"))
        complaints = self.hosts.table.complaints
        self.assertEqual(complaints.count, 8)
        self.assertIn("line 2: '300.0.2.1' is not an IPv4 or IPv6 address", complaints.texts)
        trace = Trace()
        self.hosts.answerNow(question("bad"), QueryContext(1.0, trace=trace))
        self.assertIn("line 2:", str(trace.notes[0].details["complaints"]))

    def test_internationalized(self) -> None:
        """
        A name in its own script is found by its ASCII form.
        """
        self.write("192.0.2.1 b\u00fccher.example\n".encode())
        self.assertEqual(self.found("xn--bcher-kva.example"), ["192.0.2.1"])

    def test_long(self) -> None:
        """
        Of a file that is too long the whole lines of its beginning are used.
        """
        hosts = Hosts(self.clock, str(self.path), mostOctets=1024)
        self.write(b"".join([b"192.0.2.1 name%06d\n" % number for number in range(100)]))
        # 21 octets a line.
        self.assertIsNotNone(hosts.answerNow(question("name000047"), wishes()))
        self.assertIsNone(hosts.answerNow(question("name000048"), wishes()))
        self.assertIn("more than 1024 octets", str(hosts.table.complaints))

    def test_manyAddresses(self) -> None:
        """
        A name cannot have so many addresses that collecting them takes forever.
        """
        most = int(HOSTS_ADDRESSES.default)
        table = HostsTable()
        table.read(b"".join([b"10.0.%d.%d same\n" % divmod(number, 256) for number in range(most + 100)]))
        self.assertEqual(len(table.addresses[b"\x04same\x00"]), most)
        self.assertEqual(table.complaints.count, 100)
        self.assertEqual(len(table.complaints.texts), FILE_COMPLAINTS.default)
        self.assertIn("and 80 more", str(table.complaints))

    def test_twice(self) -> None:
        """
        An address that a name has twice is given once.
        """
        self.write(b"192.0.2.1 twice\n192.0.2.1 twice\n")
        self.assertEqual(self.found("twice"), ["192.0.2.1"])

    def test_directory(self) -> None:
        """
        A path that is no file knows nothing and breaks nothing.
        """
        for path in (str(self.path.parent), "with\x00null"):
            self.assertIsNone(Hosts(self.clock, path).answerNow(question("www"), wishes()))

    def test_pipe(self) -> None:
        """
        A pipe in its place does not hold up the reactor.
        """
        pipe = f"{self.path}.pipe"
        os.mkfifo(pipe)
        hosts = Hosts(self.clock, pipe)
        self.assertIsNone(hosts.answerNow(question("www"), wishes()))
        self.assertIn("a file was expected", str(hosts.table.complaints))

    def test_unread(self) -> None:
        """
        Whoever mistypes its path is told so by what the look-up fails with.
        """
        hosts = Hosts(self.clock, "/nonexistent/hosts")
        fault = self.failureResultOf(hosts.answer(question("www"), wishes()), Unknown).value
        self.assertIn("nothing on www. IN A; it cannot be read: No such file or directory", str(fault))
        known = self.failureResultOf(self.hosts.answer(question("no"), wishes()), Unknown).value
        self.assertNotIn("read", str(known))

    def test_ttl(self) -> None:
        """
        How long others may keep it can be chosen, within reason.
        """
        answer = Hosts(self.clock, str(self.path), ttl=1e9).answerNow(question("www"), wishes())
        assert answer is not None
        self.assertEqual(answer.answer[0].ttl, 604800)

    def test_systemPath(self) -> None:
        """
        Every operating system keeps its file where it keeps it.
        """
        self.assertEqual(Hosts(self.clock).path, systemHostsPath())
        self.patch(sys, "platform", "linux")
        self.assertEqual(systemHostsPath(), "/etc/hosts")
        self.patch(sys, "platform", "win32")
        self.patch(os, "environ", {"SystemRoot": "D:\\Windows"})
        self.assertEqual(systemHostsPath().replace("/", "\\"), "D:\\Windows\\System32\\drivers\\etc\\hosts")

    def test_close(self) -> None:
        """
        Closing it, once or twice, does no harm.
        """
        self.successResultOf(self.hosts.close())
        self.successResultOf(self.hosts.close())
