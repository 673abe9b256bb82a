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
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FILE_COMPLAINTS, HOSTS_ADDRESSES, Limit
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.local import hosts as hostsfile
from twisted_ext.resolver.local.hosts import Hosts, HostsTable, systemHostsPath
from twisted_ext.testing.sources import atHand
from twisted_ext.wire.addressranges import reverseNameOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import PTR

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
        """
        Return the answer at hand.
        """
        return atHand(self.hosts, question(name, rrType), wishes())

    def addressesOf(self, name: str, rrType: str = "A") -> list[str]:
        """
        Return the addresses of a name.
        """
        answer = self.ask(name, rrType)
        assert answer is not None
        return addresses(answer)

    def write(self, data: bytes) -> None:
        """
        Replace the file as an editor does, and let a second pass.
        """
        other = Path(self.mktemp())
        other.write_bytes(data)
        os.replace(other, self.path)
        self.clock.advance(1)

    def several(self, *texts: bytes, expand: str = "") -> Hosts:
        """
        Return a source for several files.
        """
        paths = [self.mktemp() for _ in texts]
        for path, text in zip(paths, texts, strict=True):
            Path(path).write_bytes(text)
        return Hosts(self.clock, paths, expand=nameFromText(expand or "."))

    def test_severalFilesAreOne(self) -> None:
        """
        Addresses of a name in several files are joined, in the order of the files, and the first name of an address counts.
        """
        self.hosts = self.several(b"192.0.2.1 nas first\n", b"192.0.2.2 NAS\n2001:db8::1 nas\n192.0.2.1 second\n")
        self.assertEqual(self.addressesOf("nas"), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.addressesOf("nas", "AAAA"), ["2001:db8::1"])
        self.assertEqual(self.addressesOf("second"), ["192.0.2.1"])
        self.assertEqual(self.hosts.table.names[bytes((192, 0, 2, 1))], nameFromText("nas"))

    def test_anyOfSeveralFilesMayChange(self) -> None:
        """
        A change of the last file takes effect, also after one of the first; a file that is missing is reported by its name, and the others
        still count.
        """
        self.hosts = self.several(b"192.0.2.1 nas\n", b"192.0.2.2 box\n")
        first, last = self.hosts.path.split(", ")
        self.assertEqual(self.addressesOf("box"), ["192.0.2.2"])
        table = self.hosts.table
        self.clock.advance(1)
        self.assertIs(self.hosts.current(), table)
        Path(first).write_bytes(b"192.0.2.11 nas\n")
        Path(last).write_bytes(b"192.0.2.22 box\n")
        self.clock.advance(1)
        self.assertEqual((self.addressesOf("nas"), self.addressesOf("box")), (["192.0.2.11"], ["192.0.2.22"]))
        os.unlink(last)
        self.clock.advance(1)
        self.assertEqual((self.addressesOf("nas"), self.ask("box")), (["192.0.2.11"], None))
        self.assertEqual(str(self.hosts.table.complaints), f"{last}: cannot be read: No such file or directory")
        self.assertIn(f"{last} cannot be read", str(self.hosts.unknown(question("box"))))

    def test_shortNamesAreExpanded(self) -> None:
        """
        With a domain, names of one label have it as well, which makes the name of the address; longer names have not.
        """
        self.hosts = self.several(b"192.0.2.1 nas www.example box.lan\n2001:db8::1 NAS\n", expand="lan")
        for name in ("nas", "nas.lan", "www.example", "box.lan"):
            self.assertEqual(self.addressesOf(name), ["192.0.2.1"])
        self.assertEqual(self.addressesOf("nas.lan", "AAAA"), ["2001:db8::1"])
        self.assertIsNone(self.ask("www.example.lan"))
        answer = self.ask("1.2.0.192.in-addr.arpa", "PTR")
        assert answer is not None
        self.assertEqual(nameToText(answer.answer[0].rdatas[0]), "nas.lan.")

    def test_expandedNamesAreBounded(self) -> None:
        """
        A name that would be too long with the domain is reported, and kept as it is.
        """
        long = "a" * 62
        self.hosts = self.several(f"192.0.2.1 {long}\n".encode(), expand=".".join(["b" * 63] * 3))
        self.assertEqual(self.addressesOf(long), ["192.0.2.1"])
        self.assertIn("too long with the domain", str(self.hosts.table.complaints))

    def test_providesIAnswerSource(self) -> None:
        """
        The hosts file is an answer source without inner sources.
        """
        verifyObject(IAnswerSource, self.hosts)
        self.assertEqual(self.hosts.sources(), ())

    def test_addressesOfBothFamilies(self) -> None:
        """
        All addresses of both families are returned in the order of the file, in any letter case of the name.
        """
        self.assertEqual(self.addressesOf("WWW.example"), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.addressesOf("www.example", "AAAA"), ["2001:db8::1"])

    def test_anyPrefersIPv4(self) -> None:
        """
        ANY returns the IPv4 addresses if there are any, as Twisted's own hosts file reader does, and otherwise those of IPv6. It
        returns the name for an address.
        """
        self.assertEqual(self.addressesOf("www.example", "ANY"), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.addressesOf("only6", "ANY"), ["2001:db8::3"])
        answer = self.ask("3.2.0.192.in-addr.arpa", "ANY")
        assert answer is not None
        self.assertEqual((answer.answer[0].rrType, answer.answer[0].rdatas[0]), (PTR, b"\x05only4\x00"))
        self.assertIsNone(self.ask("nosuch.example", "ANY"))

    def test_everyNameOfALineHasItsAddress(self) -> None:
        """
        Every name of a line has its address.
        """
        self.assertEqual(self.addressesOf("www"), ["192.0.2.1"])
        self.assertEqual(self.addressesOf("ip6-localhost", "AAAA"), ["::1"])

    def test_recordKeepsQueriedSpelling(self) -> None:
        """
        The records have the queried name in its spelling.
        """
        answer = self.ask("wWw.example")
        assert answer is not None and answer.origin is not None
        self.assertEqual(nameToText(answer.answer[0].name), "wWw.example.")
        self.assertEqual((answer.origin.source, answer.origin.server), ("hosts", str(self.path)))

    def test_nameWithOneFamilyHasNoOther(self) -> None:
        """
        A name with addresses of one family has none of the other, and servers are not asked for them.
        """
        for name, rrType in (("only4", "AAAA"), ("only6", "A")):
            answer = self.ask(name, rrType)
            assert answer is not None
            self.assertIs(answer.outcome, Outcome.NODATA)

    def test_otherNamesAndTypesAreUnknown(self) -> None:
        """
        Other names and other types are unknown.
        """
        for name, rrType in (("other.example", "A"), ("www.example", "MX"), ("example", "A"), (".", "A")):
            self.assertIsNone(self.ask(name, rrType))
            self.failureResultOf(lookUp(self.hosts, question(name, rrType), wishes()), Unknown)

    def test_otherClassesAreNotAnswered(self) -> None:
        """
        Other classes are not answered.
        """
        self.assertIsNone(atHand(self.hosts, Question(question("www").name, 1, 3), wishes()))

    def test_reverseNameLeadsToFirstName(self) -> None:
        """
        An address of either family resolves to the first name of its first line.
        """
        for packed, name in (
            (b"\xc0\x00\x02\x01", "www.Example."),
            (b"\x7f\x00\x00\x01", "localhost."),
            (bytes(15) + b"\x01", "localhost."),
            (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x03", "only6."),
        ):
            answer = atHand(self.hosts, Question(reverseNameOf(packed).upper(), PTR), wishes())
            assert answer is not None
            self.assertEqual(nameToText(answer.answer[0].rdatas[0]), name)

    def test_otherReverseNamesAreUnknown(self) -> None:
        """
        Other addresses and invalid reverse names are unknown.
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

    def test_answerAtHandEqualsLookUp(self) -> None:
        """
        An answer at hand equals that of a look-up.
        """
        for name, rrType in (("www", "A"), ("only4", "AAAA")):
            now = self.ask(name, rrType)
            later = self.successResultOf(lookUp(self.hosts, question(name, rrType), wishes()))
            assert now is not None
            self.assertEqual((now.outcome, now.answer), (later.outcome, later.answer))

    def test_changedFileIsUsedWithinASecond(self) -> None:
        """
        A changed file is used within a second without a timer, and is not checked earlier.
        """
        self.assertEqual(self.addressesOf("only4"), ["192.0.2.3"])
        self.path.write_bytes(b"192.0.2.77 only4 and more\n")
        self.clock.advance(0.9)
        self.assertEqual(self.addressesOf("only4"), ["192.0.2.3"])
        self.clock.advance(0.1)
        self.assertEqual(self.addressesOf("only4"), ["192.0.2.77"])
        self.assertIsNone(self.ask("www"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unchangedFileIsNotReadAgain(self) -> None:
        """
        An unchanged file is not read again.
        """
        self.ask("www")
        table = self.hosts.table
        self.clock.advance(10)
        self.ask("www")
        self.assertIs(self.hosts.table, table)

    def test_missingFileIsEmpty(self) -> None:
        """
        A missing file has no names until it exists.
        """
        self.ask("www")
        self.path.unlink()
        self.clock.advance(1)
        self.assertIsNone(self.ask("www"))
        self.assertIn("cannot be read", str(self.hosts.table.complaints))
        self.write(b"192.0.2.9 www")
        self.assertEqual(self.addressesOf("www"), ["192.0.2.9"])

    def test_clockSetBackDoesNotHideChange(self) -> None:
        """
        A clock that is set back does not keep a change from being noticed.
        """
        self.clock.advance(1000)
        self.ask("www")
        self.path.write_bytes(b"192.0.2.77 www\n")
        self.clock.rightNow = 5.0
        self.assertEqual(self.addressesOf("www"), ["192.0.2.77"])

    def test_badLineIsSkippedAndReported(self) -> None:
        """
        An invalid line is skipped, the others are used, and the trace reports it.
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
        self.assertEqual(self.addressesOf("first"), ["192.0.2.1"])
        self.assertEqual(self.addressesOf("fine"), ["192.0.2.6"])
        self.assertEqual(self.addressesOf("last"), ["192.0.2.7"])
        self.assertIsNone(self.ask("scoped", "AAAA"))
        complaints = self.hosts.table.complaints
        self.assertEqual(complaints.count, 8)
        self.assertIn("line 2: '300.0.2.1' is not an IPv4 or IPv6 address", complaints.texts)
        trace = Trace()
        atHand(self.hosts, question("bad"), QueryContext(1.0, trace=trace))
        self.assertIn("line 2:", str(trace.notes[0].details["complaints"]))

    def test_internationalizedNameIsFound(self) -> None:
        """
        An internationalized name is found by its ASCII form.
        """
        self.write("192.0.2.1 b\u00fccher.example\n".encode())
        self.assertEqual(self.addressesOf("xn--bcher-kva.example"), ["192.0.2.1"])

    def test_tooLongFileIsReadInPart(self) -> None:
        """
        The complete lines at the beginning of a file that is too long are used.
        """
        self.patch(hostsfile, "HOSTS_OCTETS", Limit(1024, 1024, 1024))
        hosts = Hosts(self.clock, str(self.path))
        self.write(b"".join([b"192.0.2.1 name%06d\n" % number for number in range(100)]))
        # Each line has 21 octets.
        self.assertIsNotNone(atHand(hosts, question("name000047"), wishes()))
        self.assertIsNone(atHand(hosts, question("name000048"), wishes()))
        self.assertIn("more than 1024 octets", str(hosts.table.complaints))

    def test_addressesPerNameAreLimited(self) -> None:
        """
        The number of addresses of a name is limited.
        """
        most = int(HOSTS_ADDRESSES.default)
        table = HostsTable()
        table.read(b"".join([b"10.0.%d.%d same\n" % divmod(number, 256) for number in range(most + 100)]))
        self.assertEqual(len(table.addresses[b"\x04same\x00"]), most)
        self.assertEqual(table.complaints.count, 100)
        self.assertEqual(len(table.complaints.texts), FILE_COMPLAINTS.default)
        self.assertIn("and 80 more", str(table.complaints))

    def test_repeatedAddressIsGivenOnce(self) -> None:
        """
        A repeated address of a name is returned once.
        """
        self.write(b"192.0.2.1 twice\n192.0.2.1 twice\n")
        self.assertEqual(self.addressesOf("twice"), ["192.0.2.1"])

    def test_directoryIsEmpty(self) -> None:
        """
        A path that is not a file has no names and raises nothing.
        """
        for path in (str(self.path.parent), "with\x00null"):
            self.assertIsNone(atHand(Hosts(self.clock, path), question("www"), wishes()))

    def test_pipeDoesNotBlock(self) -> None:
        """
        A pipe in place of the file does not block the reactor.
        """
        pipe = f"{self.path}.pipe"
        os.mkfifo(pipe)
        hosts = Hosts(self.clock, pipe)
        self.assertIsNone(atHand(hosts, question("www"), wishes()))
        self.assertIn("a file was expected", str(hosts.table.complaints))

    def test_unreadableFileIsReported(self) -> None:
        """
        The error of a look-up says that the file cannot be read.
        """
        hosts = Hosts(self.clock, "/nonexistent/hosts")
        fault = self.failureResultOf(lookUp(hosts, question("www"), wishes()), Unknown).value
        self.assertIn("no information on www. IN A; it cannot be read: No such file or directory", str(fault))
        known = self.failureResultOf(lookUp(self.hosts, question("no"), wishes()), Unknown).value
        self.assertNotIn("read", str(known))

    def test_ttlIsConfigurable(self) -> None:
        """
        The TTL is configurable within a limit.
        """
        answer = atHand(Hosts(self.clock, str(self.path), ttl=1e9), question("www"), wishes())
        assert answer is not None
        self.assertEqual(answer.answer[0].ttl, 604800)

    def test_defaultPathOfEachPlatform(self) -> None:
        """
        Each operating system has its own default path.
        """
        self.assertEqual(Hosts(self.clock).path, systemHostsPath())
        self.patch(sys, "platform", "linux")
        self.assertEqual(systemHostsPath(), "/etc/hosts")
        self.patch(sys, "platform", "win32")
        self.patch(os, "environ", {"SystemRoot": "D:\\Windows"})
        self.assertEqual(systemHostsPath().replace("/", "\\"), "D:\\Windows\\System32\\drivers\\etc\\hosts")

    def test_secondCloseDoesNothing(self) -> None:
        """
        A second close does nothing.
        """
        self.successResultOf(self.hosts.close())
        self.successResultOf(self.hosts.close())
