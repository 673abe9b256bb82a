"""
Tests of catalog zones.
"""

from __future__ import annotations

from functools import partial
from typing import Final
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import versionOf
from twisted_ext.errors import BadZone, CallerFault
from twisted_ext.limits import Limit
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.catalog.catalogs import (
    Catalog,
    Catalogs,
    CatalogStep,
    Member,
    catalogSets,
    catalogVersion,
    uniqueLabel,
)
from twisted_ext.zone.check.semantics import check
from twisted_ext.zone.store.steps import finished
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

HEAD: Final = """\
@ SOA invalid. invalid. 7 3600 600 86400 60
@ NS invalid.
"""

ONE: Final = nameFromText("one.catalog.")
TWO: Final = nameFromText("two.catalog.")


def read(text: str) -> Catalog:
    """
    Return the catalog with these records and a version record.
    """
    return Catalog.fromVersion(versionOf(f"{HEAD}version TXT 2\n{text}", "one.catalog."))


def catalogOf(catalog: bytes, *members: Member) -> Catalog:
    """
    Return a catalog with these members.
    """
    return Catalog(catalog, 1, {member.apex: member for member in members})


def member(name: str, label: str = "", groups: tuple[str, ...] = (), coo: bytes = b"") -> Member:
    """
    Return a member of a catalog.
    """
    return Member(nameFromText(name), (label or f"l-{name}").encode(), groups, coo)


def followed(catalogs: Catalogs, catalog: Catalog) -> list[CatalogStep]:
    """
    Switch to a version of a catalog at once.
    """
    return finished(catalogs.following(catalog))


def summaryOf(steps: list[CatalogStep]) -> list[tuple[str, str, str]]:
    """
    Return the kind, zone and catalog of each step.
    """
    return [(step.kind, nameToText(step.member.name), nameToText(step.catalog)) for step in steps]


class ReadingTests(SynchronousTestCase):
    """
    Tests of reading catalog zones.
    """

    def test_membersWithGroupsAndOwner(self) -> None:
        """
        Each member has a label and may have groups and a future owner. Other records are ignored.
        """
        catalog = read(
            """
            a.zones PTR Example.org.
            b.zones PTR example.net.
            group.b.zones TXT fast
            group.b.zones TXT "of " "two parts"
            coo.b.zones PTR Two.catalog.
            primaries.ext.b.zones A 192.0.2.1
            something.else TXT x
            ext.zones TXT x
            zones TXT x
            group.c.zones TXT orphan
            """
        )
        self.assertEqual(catalog.serial, 7)
        self.assertEqual(
            catalog.members,
            {
                nameFromText("example.org."): member("example.org.", "a"),
                nameFromText("example.net."): member("example.net.", "b", ("fast", "of two parts"), TWO),
            },
        )
        self.assertEqual(catalog.members[nameFromText("example.org.")].name, nameFromText("Example.org."))

    def test_groupsAreLimited(self) -> None:
        """
        The number of groups of a member is limited.
        """
        catalog = read("a.zones PTR x.\n" + "\n".join([f"group.a.zones TXT g{number}" for number in range(20)]))
        self.assertEqual([len(each.groups) for each in catalog.members.values()], [16])

    def test_brokenCatalogIsRefused(self) -> None:
        """
        A broken catalog is refused with its fault: a missing or wrong version, a repeated label or member, two future owners
        (RFC 9432, section 4.4.1), or too many members.
        """
        for text, message in (
            ("", "one TXT record"),
            ("version TXT 1", "'1' where 2"),
            ('version TXT "2 "', "where 2"),
            ("version TXT 2\nversion TXT 1", "one TXT record"),
            ("version A 192.0.2.1", "one TXT record"),
            ("version TXT 2\na.zones PTR x.\na.zones PTR y.", "2 zones under the label 'a'"),
            ("version TXT 2\na.zones PTR x.\nb.zones PTR X.", "x. is listed twice"),
            ("version TXT 2\na.zones PTR x.\ncoo.a.zones PTR b.\ncoo.a.zones PTR c.", "2 catalogs at coo.a.zones.one.catalog."),
        ):
            fault = self.assertRaises(BadZone, Catalog.fromVersion, versionOf(HEAD + text, "one.catalog."))
            self.assertIn(message, str(fault).replace("X.", "x."))
        version = versionOf(HEAD + "version TXT 2\na.zones PTR x.\nb.zones PTR y.", "one.catalog.")
        with patch("twisted_ext.zone.catalog.catalogs.CATALOG_MEMBERS", Limit(1, 1, 10)):
            self.assertRaises(BadZone, Catalog.fromVersion, version)


#: Records that are added to a catalog and removed from it.
_LINES: Final = (
    "a.zones PTR x.", "a.zones PTR y.", "b.zones PTR y.", "b.zones PTR one.catalog.", "c.zones PTR z.", "c.zones TXT z",
    "group.a.zones TXT g", "group.a.zones TXT h", "coo.a.zones PTR two.", "coo.a.zones PTR three.", "other.deep.b.zones TXT x",
    "zones PTR x.", "x.y.zones PTR x.",
    "version TXT 3", "a PTR z.",
)  # fmt: skip


class EditedTests(SynchronousTestCase):
    """
    Tests of reading the changes of a catalog.
    """

    def readBothWays(self, version: Version, former: Catalog | None) -> Catalog | str:
        """
        Return the catalog or its fault. Reading all of it and reading its changes must agree.
        """
        found: list[Catalog | BadZone] = []
        for known in (None, former):
            try:
                found.append(Catalog.fromVersion(version, former=known))
            except BadZone as wrong:
                found.append(wrong)
        whole, edited = found
        if isinstance(whole, Catalog) and isinstance(edited, Catalog):
            self.assertEqual((whole.apex, whole.serial, dict(whole.members)), (edited.apex, edited.serial, dict(edited.members)))
            return edited
        self.assertEqual((type(whole), type(edited)), (BadZone, BadZone))
        return str(edited)

    @given(st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(_LINES), min_size=1, max_size=4), st.booleans()), max_size=8))
    def test_readingChangesEqualsReadingAll(self, edits: list[tuple[bool, list[str], bool]]) -> None:
        """
        Reading the changes of a catalog yields the same as reading all of it, even if it was broken in between.
        """
        zone = Zone.fromText(HEAD + "version TXT 2\na.zones PTR x.\nd.zones PTR d.\n", ONE)
        former = Catalog.fromVersion(zone.current)
        for adding, lines, settling in edits:
            (zone.add if adding else zone.remove)(*lines)
            if settling:
                zone.replace(zone.current.settled())
            found = self.readBothWays(zone.current, former)
            if isinstance(found, Catalog):
                former = found

    def test_unchangedMembersAreNotReadAgain(self) -> None:
        """
        Only the changed members are read, and the others are the same objects.
        """
        zone = Zone(catalogVersion(ONE, 1, [member(f"z{number}.") for number in range(100)]))
        former = Catalog.fromVersion(zone.current)
        zone.add("new.zones PTR new.")
        catalog = Catalog.fromVersion(zone.current, former=former)
        self.assertEqual(len(catalog.members), 101)
        self.assertTrue(all(catalog.members[apex] is each for apex, each in former.members.items()))
        catalogs = Catalogs()
        self.assertEqual(len(followed(catalogs, former)), 100)
        self.assertEqual(summaryOf(followed(catalogs, catalog)), [("add", "new.", "one.catalog.")])
        self.assertIs(catalogs.followed.get(ONE), catalog)


class WritingTests(SynchronousTestCase):
    """
    Tests of catalogs that are written here.
    """

    def test_roundTrip(self) -> None:
        """
        A written catalog is read back with the same members and passes the semantic checks.
        """
        members = [member("example.org.", "a", ("x", "y")), member("example.net.", "b", (), TWO), member("a.b.example.", "c")]
        version = catalogVersion(ONE, 42, members)
        catalog = Catalog.fromVersion(version)
        self.assertEqual((catalog.serial, list(catalog.members.values())), (42, members))
        self.assertEqual(check(version).counts, {})

    def test_generatedLabelsAreStable(self) -> None:
        """
        A member without a label gets one that stays the same in any letter case of its name.
        """
        sets = catalogSets(ONE, 1, [Member(nameFromText("Example.org."), b"")])
        label = uniqueLabel(nameFromText("example.org."))
        self.assertEqual(sets[-1].name, b"\x20" + label + b"\x05zones" + ONE)
        self.assertNotEqual(label, uniqueLabel(nameFromText("example.net.")))

    def test_invalidMembersAreRefused(self) -> None:
        """
        Members that would make a broken catalog are refused.
        """
        for members in (
            [member("a."), member("A.", "other")],
            [member("a.", "x"), member("b.", "X")],
            [Member(nameFromText("a."), b"x" * 64)],
            [member("one.catalog.")],
            [member("a.", "x", ("g" * 256,))],
            [member("a.", "x", ("",))],
        ):
            self.assertRaises(CallerFault, catalogSets, ONE, 1, members)
        name = 3 * (b"\x3f" + 63 * b"a") + b"\x20" + 32 * b"a" + b"\x00"
        self.assertRaises(CallerFault, catalogSets, name, 1, [Member(nameFromText("a."), b"")])


class FollowingTests(SynchronousTestCase):
    """
    Tests of the steps that follow from catalogs.
    """

    def setUp(self) -> None:
        self.ours: set[bytes] = set()
        self.catalogs = Catalogs(self.ours.__contains__)

    def test_membersComeAndGo(self) -> None:
        """
        Members come and go with their catalog. Another label resets a zone, and other groups only change it.
        """
        follow = partial(followed, self.catalogs)
        added = [("add", "a.", "one.catalog."), ("add", "b.", "one.catalog.")]
        self.assertEqual(summaryOf(follow(catalogOf(ONE, member("a."), member("b.")))), added)
        self.assertEqual(follow(catalogOf(ONE, member("a."), member("b."))), [])
        self.assertEqual(summaryOf(follow(catalogOf(ONE, member("b.", groups=("g",))))), [
            ("remove", "a.", "one.catalog."), ("change", "b.", "one.catalog.")])
        self.assertEqual(summaryOf(follow(catalogOf(ONE, member("b.", "other")))), [("reset", "b.", "one.catalog.")])
        self.assertEqual(summaryOf(self.catalogs.leave(ONE)), [("remove", "b.", "one.catalog.")])
        self.assertEqual((len(self.catalogs.owned), self.catalogs.leave(ONE)), (0, []))

    def test_foreignZonesAreNotTaken(self) -> None:
        """
        A catalog does not get a zone of another catalog or of the configuration until that is released.
        """
        follow = partial(followed, self.catalogs)
        self.ours.add(nameFromText("mine."))
        follow(catalogOf(ONE, member("a.")))
        self.assertEqual(follow(catalogOf(TWO, member("a."), member("mine."))), [])
        self.assertEqual(sorted(self.catalogs.clashes), [nameFromText("a."), nameFromText("mine.")])
        self.assertEqual(summaryOf(follow(catalogOf(ONE))), [("remove", "a.", "one.catalog."), ("add", "a.", "two.catalog.")])
        self.ours.clear()
        self.assertEqual(summaryOf(self.catalogs.reconsider()), [("add", "mine.", "two.catalog.")])
        self.assertEqual(self.catalogs.clashes, {})
        self.ours.add(nameFromText("a."))
        self.assertEqual(summaryOf(self.catalogs.reconsider()), [("remove", "a.", "two.catalog.")])
        self.assertEqual(summaryOf(follow(catalogOf(TWO))), [("remove", "mine.", "two.catalog.")])
        self.assertEqual(self.catalogs.clashes, {})

    def test_catalogsAreNoMembers(self) -> None:
        """
        A catalog that is followed cannot become a member of another one, nor of itself; the other members are not affected.
        """
        followed(self.catalogs, catalogOf(TWO))
        for first in (False, True):
            listed = [member("two.catalog."), member("one.catalog.")]
            listed.insert(0 if first else 2, member("a."))
            self.assertEqual(summaryOf(followed(self.catalogs, catalogOf(ONE, *listed))), [("add", "a.", "one.catalog.")])
            why = {nameToText(apex): reasons[ONE] for apex, reasons in self.catalogs.clashes.items()}
            self.assertEqual(why, {"two.catalog.": "there is such a zone already", "one.catalog.": "it is the catalog itself"})
            self.catalogs.leave(ONE)
            self.assertEqual(self.catalogs.clashes, {})

    def test_ownershipChangesWithCoo(self) -> None:
        """
        A zone changes its owner with a C{coo} record, whichever catalog is read first. It keeps its records if it keeps its label.
        """
        for label, kind in (("l", "change"), ("other", "reset")):
            for early in (True, False):
                self.catalogs = Catalogs()
                follow = partial(followed, self.catalogs)
                follow(catalogOf(ONE, member("a.", "l")))
                releasing = catalogOf(ONE, member("a.", "l", coo=TWO))
                taking = catalogOf(TWO, member("a.", label))
                first, second = (releasing, taking) if early else (taking, releasing)
                self.assertEqual(follow(first), [])
                self.assertEqual(summaryOf(follow(second)), [(kind, "a.", "two.catalog.")])
                self.assertEqual(follow(catalogOf(ONE)), [])
                self.assertEqual(summaryOf(self.catalogs.leave(TWO)), [("remove", "a.", "two.catalog.")])

    def test_mutualReleaseDoesNotLoop(self) -> None:
        """
        Two catalogs that both release a zone to each other do not pass it back and forth.
        """
        follow = partial(followed, self.catalogs)
        follow(catalogOf(ONE, member("a.", "l", coo=TWO)))
        self.assertEqual(follow(catalogOf(TWO, member("a.", "l", coo=ONE))), [])
        self.assertEqual(follow(catalogOf(ONE, member("a.", "l", coo=TWO))), [])

    def test_ownerIsKeptAcrossRestart(self) -> None:
        """
        A zone stays with its former owner after a restart, whichever catalog is read first (RFC 9432, section 5.2). Another catalog
        gets it once the owner does not list it, releases it or is not followed.
        """
        owner, early = {nameFromText("a."): ONE}, catalogOf(TWO, member("a.", "other"))
        for releasing, expected in (
            (catalogOf(ONE, member("a.")), [("add", "a.", "one.catalog.")]),
            (catalogOf(ONE, member("b.")), [("add", "b.", "one.catalog."), ("add", "a.", "two.catalog.")]),
            (catalogOf(ONE, member("a.", coo=TWO)), [("add", "a.", "one.catalog."), ("reset", "a.", "two.catalog.")]),
        ):
            catalogs = Catalogs(ownerBefore=lambda apex: owner.get(apex, b""))
            self.assertEqual(followed(catalogs, early), [])
            self.assertEqual(list(catalogs.clashes[nameFromText("a.")]), [TWO])
            self.assertEqual(summaryOf(followed(catalogs, releasing)), expected)
        catalogs = Catalogs(ownerBefore=lambda apex: owner.get(apex, b""))
        self.assertEqual(followed(catalogs, early), [])
        owner.clear()
        self.assertEqual(summaryOf(catalogs.reconsider()), [("add", "a.", "two.catalog.")])

    def test_largeCatalogIsFollowedInSteps(self) -> None:
        """
        A large catalog is followed in many short steps. One that is left in between leaves nothing behind.
        """
        first = catalogOf(ONE, *[member(f"a{number}.", f"a{number}") for number in range(2000)])
        second = catalogOf(ONE, *[member(f"b{number}.", f"b{number}") for number in range(2000)])
        whole = len(list(self.catalogs.following(first)))
        self.assertGreaterEqual(whole, 4)
        for until in range(1, whole * 2 + 1):
            catalogs = Catalogs()
            served: set[bytes] = set()

            def do(steps: list[CatalogStep], served: set[bytes] = served) -> None:
                """
                Perform the steps.
                """
                for step in steps:
                    (served.discard if step.kind == "remove" else served.add)(step.member.apex)

            do(followed(catalogs, first))
            going = catalogs.following(second)
            left: list[CatalogStep] | None = None
            rest: list[CatalogStep] = []
            for count in range(whole * 2 + 2):
                if count == until:
                    left = catalogs.leave(ONE)
                try:
                    next(going)
                except StopIteration as end:
                    rest = end.value
                    break
            if left is None:
                do(rest)
                self.assertEqual(len(served), 2000)
                rest, left = [], catalogs.leave(ONE)
            # Steps that were found before the catalog was left are performed afterwards, when it has no members.
            do(left)
            do([step for step in rest if step.kind == "remove" or catalogs.owned.get(step.member.apex) is not None])
            self.assertEqual((served, len(catalogs.owned)), (set(), 0), until)

    def test_membersAndOwnersCanBeQueried(self) -> None:
        """
        The members of a catalog and the owner of a zone can be queried.
        """
        followed(self.catalogs, catalogOf(ONE, member("a."), member("b.")))
        followed(self.catalogs, catalogOf(TWO, member("b."), member("c.")))
        self.assertEqual([nameToText(each.name) for each in self.catalogs.members(TWO)], ["c."])
        owner = self.catalogs.owned.get(nameFromText("b."))
        assert owner is not None
        self.assertEqual(owner[0], ONE)
        self.assertIsNone(self.catalogs.owned.get(nameFromText("d.")))

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([ONE, TWO]),
                st.dictionaries(
                    st.sampled_from(["a.", "b.", "c."]),
                    st.tuples(st.sampled_from("xy"), st.sampled_from([(), ("g",)]), st.sampled_from([b"", ONE, TWO])),
                ),
            ),
            max_size=12,
        )
    )
    def test_stepsYieldTheListedZones(self, versions: list[tuple[bytes, dict[str, tuple[str, tuple[str, ...], bytes]]]]) -> None:
        """
        Performing all steps yields exactly the zones of all catalogs, each once, with the properties from its owner, whatever the
        catalogs contain.
        """
        catalogs = Catalogs()
        latest: dict[bytes, Catalog] = {}
        served: dict[bytes, tuple[bytes, Member]] = {}
        for name, zones in versions:
            catalog = catalogOf(name, *[member(zone, label, groups, coo) for zone, (label, groups, coo) in zones.items()])
            latest[name] = catalog
            for step in followed(catalogs, catalog):
                apex = step.member.apex
                self.assertEqual(apex in served, step.kind != "add")
                if step.kind == "remove":
                    del served[apex]
                else:
                    served[apex] = (step.catalog, step.member)
            self.assertEqual(set(served), {apex for each in latest.values() for apex in each.members})
            for apex, (owner, known) in served.items():
                self.assertEqual(catalogs.owned.get(apex), (owner, latest[owner].members[apex]))
                self.assertEqual((known.label, known.groups), (latest[owner].members[apex].label, latest[owner].members[apex].groups))

    def test_customPropertiesAreIgnored(self) -> None:
        """
        Custom properties of a member are ignored.
        """
        sets = catalogSets(ONE, 3, [member("a.", "x")])
        sets.append(RRSet(b"\x03ext\x01x\x05zones" + ONE, 16, 1, 0, (b"\x01y",)))
        catalog = Catalog.fromVersion(Zone.fromRecords(ONE, sets).current)
        self.assertEqual(list(catalog.members.values()), [member("a.", "x")])
