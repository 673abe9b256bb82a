"""
Tests of L{twisted_ext.resolver.policy.zones.compiler}.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import time_ns
from typing import Final
from unittest.mock import Mock

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.resolver.policy.rules.table import PolicyTable, RuleList
from twisted_ext.resolver.policy.zones import compiler
from twisted_ext.resolver.policy.zones.compiler import compileZones, wordFor
from twisted_ext.resolver.policy.zones.rules import ADDRESS, CLIENT, SERVER_ADDRESS, PolicyZones
from twisted_ext.resolver.policy.zones.verdict import Selection
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.zonefile.reader import readMaster

_HEAD: Final = "$TTL 60\n@ SOA localhost. root.localhost. 7 3600 600 86400 60\n@ NS localhost.\n"

#: Nanoseconds after which a file that has not changed is taken for settled.
_LATER: Final = 3_000_000_000


class CompilerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.count = 0
        self.former = ""
        self.told: list[RuleList] = []

    def write(self, name: str, text: str) -> str:
        """
        Write the file of a zone, and return its word.
        """
        path = self.folder / name
        path.write_text(text)
        self.count += 1
        os.utime(path, ns=(self.count, self.count))
        return wordFor(name, nameFromText("rpz.test"), str(path))

    def compile(self, *words: str) -> PolicyZones:
        """
        Read zones, and return their table.
        """
        self.count += 1
        path = str(self.folder / f"{self.count}.table")
        self.told = compileZones(path, self.former, words, now=lambda: time_ns() + _LATER)
        self.former = path
        return PolicyZones(PolicyTable.map(path))

    def decided(self, zones: PolicyZones, *names: str) -> list[str]:
        selection = Selection(zones, range(len(zones.zones)))
        found = [selection.before(nameFromText(name)) for name in names]
        return ["" if hit is None else f"{zones.zones[hit.zone].name} {hit.owner} {hit.action.kind}" for hit in found]

    def test_rulesOfFiles(self) -> None:
        """
        The names of a file are below that of its zone; what is known of the zone, its SOA record as well, is in the table.
        """
        word = self.write("a", f"{_HEAD}bad.example CNAME .\nabsolute.example. CNAME .\n")
        zones = self.compile(word)
        self.assertEqual(self.decided(zones, "bad.example", "absolute.example"), ["a bad.example nxdomain", ""])
        soa = zones.soa(0)
        assert soa is not None
        self.assertEqual((soa[0], int.from_bytes(soa[1][-20:-16], "big")), (60, 7))
        self.assertIsNone(zones.soa(1))
        self.assertEqual([(each.names, each.wrong, each.kept) for each in self.told], [(1, 1, False)])
        self.assertIn("the owner lies outside of rpz.test.", self.told[0].said)
        self.assertEqual(zones.zones[0].said, self.told[0].said)

    def test_onlyWhatHasChangedIsRead(self) -> None:
        """
        A zone whose file is the same keeps its rules of all kinds, whatever becomes of others and of their order.
        """
        rules = "*.b.example CNAME wall.\nx.y.b.example CNAME .\n24.0.2.0.192.rpz-ip CNAME *.\n48.zz.db8.2001.rpz-client-ip A 192.0.2.1\n"
        one, other = self.write("a", f"{_HEAD}a.example CNAME .\n"), self.write("b", f"{_HEAD}{rules}")
        self.compile(one, other)
        reading = Mock(side_effect=readMaster)
        self.patch(compiler, "readMaster", reading)
        for words in ((other, self.write("a", f"{_HEAD}b.example CNAME *.\n")), (other,), (one, other)):
            zones = self.compile(*words)
            number = words.index(other)
            self.assertEqual(zones.zones[number].names, 4)
            self.assertEqual(self.decided(zones, "q.b.example")[0], "b *.b.example given")
            # The name between others keeps its mark.
            self.assertEqual(self.decided(zones, "q.y.b.example"), [""])
            self.assertIn(number, zones.forAddress(bytes((192, 0, 2, 9)), ADDRESS))
            self.assertIn(number, zones.forAddress(bytes.fromhex("20010db8") + bytes(12), CLIENT))
            self.assertEqual(zones.after, 1 << number)
            self.assertIsNotNone(zones.soa(number))
        self.assertEqual([Path(call.args[0]).name for call in reading.call_args_list], ["a", "a"])

    def test_zonesThatCannotBeRead(self) -> None:
        """
        A zone keeps its rules if its file is missing, or has nothing but errors; one without former rules has none.
        """
        one = self.write("a", f"{_HEAD}a.example CNAME .\n")
        missing = wordFor("m", nameFromText("rpz.test"), f"{self.folder}/m")
        zones = self.compile(one, missing)
        self.assertEqual([(each.names, each.kept) for each in self.told], [(1, False), (0, True)])
        self.assertIn("No such file", self.told[1].said)
        for text, said in (("garbage\n", "has no rules: "), (None, "No such file")):
            if text is None:
                (self.folder / "a").unlink()
            else:
                self.write("a", text)
            zones = self.compile(missing, one)
            self.assertEqual([(each.names, each.kept) for each in self.told], [(0, True), (1, True)])
            self.assertIn(said, self.told[1].said)
            self.assertEqual(self.decided(zones, "a.example"), ["a a.example nxdomain"])
        # It is read again as soon as it can be.
        self.write("a", f"{_HEAD}b.example CNAME .\n")
        zones = self.compile(missing, one)
        self.assertEqual(self.decided(zones, "a.example", "b.example"), ["", "a b.example nxdomain"])
        self.assertEqual([each.kept for each in self.told], [True, False])

    def test_rulesAboutServersAreKept(self) -> None:
        """
        A zone that is not read again has its rules about servers still.
        """
        word = self.write("a", f"{_HEAD}32.1.2.0.192.rpz-nsip CNAME .\n*.b.example.rpz-nsdname CNAME .\n")
        other = self.write("b", f"{_HEAD}a.example CNAME .\n")
        for _ in range(2):
            zones = self.compile(word, other)
            self.assertEqual((zones.servers, zones.after), (1, 0))
            self.assertEqual([*zones.forServer(nameFromText("ns.b.example"))], [0])
            self.assertEqual([*zones.forAddress(bytes((192, 0, 2, 1)), SERVER_ADDRESS)], [0])
            self.write("b", f"{_HEAD}b.example CNAME .\n")

    def test_withoutTTL(self) -> None:
        """
        Rules of a file that has no TTL are rules; of two aliases at one name the first one counts.
        """
        zones = self.compile(self.write("a", "a.example CNAME .\nb.example CNAME *.\nb.example CNAME .\n"))
        self.assertEqual(self.decided(zones, "a.example", "b.example"), ["a a.example nxdomain", "a b.example nodata"])
        self.assertEqual(self.told[0].wrong, 1)
        self.assertIn("b.example: of several aliases the first one counts", self.told[0].said)

    def test_anEmptyZone(self) -> None:
        """
        A zone without rules is one.
        """
        self.compile(self.write("a", f"{_HEAD}a.example CNAME .\n"))
        zones = self.compile(self.write("a", _HEAD))
        self.assertEqual(self.decided(zones, "a.example"), [""])
        self.assertEqual([(each.names, each.kept, each.wrong) for each in self.told], [(0, False, 0)])

    def test_tooMuch(self) -> None:
        """
        No file is read that is larger than it may be.
        """
        word = self.write("a", "")
        os.truncate(self.folder / "a", (1 << 29) + 1)
        self.compile(word)
        self.assertIn("has more than 536870912 octets", self.told[0].said)
