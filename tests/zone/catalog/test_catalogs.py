"""
Tests of catalogs of zones.
"""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import versionOf
from twisted_ext.errors import BadZone, CallerFault
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.catalog.catalogs import Catalog, Member, catalogSets, catalogVersion, uniqueLabel
from twisted_ext.zone.catalog.members import Catalogs, Step
from twisted_ext.zone.check.semantics import check
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
    @return: a catalog of these records, that of the version among them.
    """
    return Catalog.fromVersion(versionOf(f"{HEAD}version TXT 2\n{text}", "one.catalog."))


def listing(catalog: bytes, *members: Member) -> Catalog:
    """
    @return: a catalog with these zones.
    """
    return Catalog(catalog, 1, {member.apex: member for member in members})


def member(name: str, label: str = "", groups: tuple[str, ...] = (), coo: bytes = b"") -> Member:
    """
    @return: a zone of a catalog.
    """
    return Member(nameFromText(name), (label or f"l-{name}").encode(), groups, coo)


def told(steps: list[Step]) -> list[tuple[str, str, str]]:
    """
    @return: kind, zone and catalog of each.
    """
    return [(step.kind, nameToText(step.member.name), nameToText(step.catalog)) for step in steps]


class ReadingTests(SynchronousTestCase):
    """
    Tests of reading.
    """

    def test_members(self) -> None:
        """
        A catalog's zones have a label each, perhaps groups and a future owner; what else there is does not matter.
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
            group.c.zones TXT lonely
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

    def test_manyGroups(self) -> None:
        """
        A zone is in so many groups at most.
        """
        catalog = read("a.zones PTR x.\n" + "\n".join([f"group.a.zones TXT g{number}" for number in range(20)]))
        self.assertEqual([len(each.groups) for each in catalog.members.values()], [16])

    def test_broken(self) -> None:
        """
        A catalog without a version, of another or several; one with two zones under a label, with one zone under two, or with itself; one
        with two owners to be of a zone (RFC 9432, section 4.4.1); one with too many: all of them are broken, which is told.
        """
        for text, said in (
            ("", "one TXT record"),
            ("version TXT 1", "'1' where 2"),
            ('version TXT "2 "', "where 2"),
            ("version TXT 2\nversion TXT 1", "one TXT record"),
            ("version A 192.0.2.1", "one TXT record"),
            ("version TXT 2\na.zones PTR x.\na.zones PTR y.", "2 zones under the label 'a'"),
            ("version TXT 2\na.zones PTR x.\nb.zones PTR X.", "x. is listed twice"),
            ("version TXT 2\na.zones PTR one.catalog.", "lists itself"),
            ("version TXT 2\na.zones PTR x.\ncoo.a.zones PTR b.\ncoo.a.zones PTR c.", "2 catalogs at coo.a.zones.one.catalog."),
        ):
            fault = self.assertRaises(BadZone, Catalog.fromVersion, versionOf(HEAD + text, "one.catalog."))
            self.assertIn(said, str(fault).replace("X.", "x."))
        version = versionOf(HEAD + "version TXT 2\na.zones PTR x.\nb.zones PTR y.", "one.catalog.")
        self.assertRaises(BadZone, Catalog.fromVersion, version, most=1)


#: Records that come to a catalog and go from it.
_LINES: Final = (
    "a.zones PTR x.", "a.zones PTR y.", "b.zones PTR y.", "b.zones PTR one.catalog.", "c.zones PTR z.", "c.zones TXT z",
    "group.a.zones TXT g", "group.a.zones TXT h", "coo.a.zones PTR two.", "coo.a.zones PTR three.", "other.deep.b.zones TXT x",
    "zones PTR x.", "x.y.zones PTR x.",
    "version TXT 3", "a PTR z.",
)  # fmt: skip


class EditedTests(SynchronousTestCase):
    """
    Tests of reading what has changed.
    """

    def catalogs(self, version: Version, former: Catalog | None) -> Catalog | str:
        """
        @return: the catalog, which is the same whether all of it is read or what has changed; or what is wrong with it.
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
    def test_same(self, edits: list[tuple[bool, list[str], bool]]) -> None:
        """
        However a catalog changes, and whether it was broken meanwhile, reading what has changed gives what reading all of it does.
        """
        zone = Zone.fromText(HEAD + "version TXT 2\na.zones PTR x.\nd.zones PTR d.\n", ONE)
        former = Catalog.fromVersion(zone.current)
        for adding, lines, settling in edits:
            (zone.add if adding else zone.remove)(*lines)
            if settling:
                zone.replace(zone.current.settled())
            found = self.catalogs(zone.current, former)
            if isinstance(found, Catalog):
                former = found

    def test_little(self) -> None:
        """
        Of many zones only that is looked at which has changed, and the others are the very same as before.
        """
        zone = Zone(catalogVersion(ONE, 1, [member(f"z{number}.") for number in range(100)]))
        former = Catalog.fromVersion(zone.current)
        zone.add("new.zones PTR new.")
        catalog = Catalog.fromVersion(zone.current, former=former)
        self.assertEqual(len(catalog), 101)
        self.assertTrue(all(catalog.members[apex] is each for apex, each in former.members.items()))
        catalogs = Catalogs()
        self.assertEqual(len(catalogs.follow(former)), 100)
        self.assertEqual(told(catalogs.follow(catalog)), [("add", "new.", "one.catalog.")])
        self.assertIs(catalogs.catalog(ONE), catalog)


class WritingTests(SynchronousTestCase):
    """
    Tests of catalogs that are made here.
    """

    def test_roundTrip(self) -> None:
        """
        What is written can be read again, and nothing is wrong with it.
        """
        members = [member("example.org.", "a", ("x", "y")), member("example.net.", "b", (), TWO), member("a.b.example.", "c")]
        version = catalogVersion(ONE, 42, members)
        catalog = Catalog.fromVersion(version)
        self.assertEqual((catalog.serial, list(catalog.members.values())), (42, members))
        self.assertEqual(check(version).counts, {})

    def test_labels(self) -> None:
        """
        Zones without a label get one that stays the same, whatever the case of their names.
        """
        sets = catalogSets(ONE, 1, [Member(nameFromText("Example.org."), b"")])
        label = uniqueLabel(nameFromText("example.org."))
        self.assertEqual(sets[-1].name, b"\x20" + label + b"\x05zones" + ONE)
        self.assertNotEqual(label, uniqueLabel(nameFromText("example.org."), b"again"))

    def test_refused(self) -> None:
        """
        What would make a broken catalog is refused.
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
    Tests of what follows from catalogs.
    """

    def setUp(self) -> None:
        self.ours: set[bytes] = set()
        self.catalogs = Catalogs(self.ours.__contains__)

    def test_comeAndGo(self) -> None:
        """
        Zones come and go as a catalog lists them; with another label everything about a zone begins anew, with other groups nothing does.
        """
        follow = self.catalogs.follow
        added = [("add", "a.", "one.catalog."), ("add", "b.", "one.catalog.")]
        self.assertEqual(told(follow(listing(ONE, member("a."), member("b.")))), added)
        self.assertEqual(follow(listing(ONE, member("a."), member("b."))), [])
        self.assertEqual(told(follow(listing(ONE, member("b.", groups=("g",))))), [
            ("remove", "a.", "one.catalog."), ("change", "b.", "one.catalog.")])
        self.assertEqual(told(follow(listing(ONE, member("b.", "other")))), [("reset", "b.", "one.catalog.")])
        self.assertEqual(told(self.catalogs.leave(ONE)), [("remove", "b.", "one.catalog.")])
        self.assertEqual((len(self.catalogs), self.catalogs.leave(ONE)), (0, []))

    def test_clash(self) -> None:
        """
        Nobody gets a zone that is another catalog's, or that there is by other means; who waits gets it when it is let go.
        """
        follow = self.catalogs.follow
        self.ours.add(nameFromText("mine."))
        follow(listing(ONE, member("a.")))
        self.assertEqual(follow(listing(TWO, member("a."), member("mine."))), [])
        self.assertEqual(sorted(self.catalogs.clashes), [nameFromText("a."), nameFromText("mine.")])
        self.assertEqual(told(follow(listing(ONE))), [("remove", "a.", "one.catalog."), ("add", "a.", "two.catalog.")])
        self.ours.clear()
        self.assertEqual(told(self.catalogs.reconsider()), [("add", "mine.", "two.catalog.")])
        self.assertEqual(self.catalogs.clashes, {})
        self.ours.add(nameFromText("a."))
        self.assertEqual(told(self.catalogs.reconsider()), [("remove", "a.", "two.catalog.")])
        self.assertEqual(told(follow(listing(TWO))), [("remove", "mine.", "two.catalog.")])
        self.assertEqual(self.catalogs.clashes, {})

    def test_catalogsAreNoMembers(self) -> None:
        """
        A catalog that is followed cannot be taken over by being listed.
        """
        self.catalogs.follow(listing(TWO))
        self.assertEqual(self.catalogs.follow(listing(ONE, member("two.catalog."))), [])

    def test_changeOfOwnership(self) -> None:
        """
        A zone moves when its owner says so, whichever of the two is heard first; it keeps its records if it keeps its label.
        """
        for label, kind in (("l", "change"), ("other", "reset")):
            for early in (True, False):
                self.catalogs = Catalogs()
                follow = self.catalogs.follow
                follow(listing(ONE, member("a.", "l")))
                releasing = listing(ONE, member("a.", "l", coo=TWO))
                taking = listing(TWO, member("a.", label))
                first, second = (releasing, taking) if early else (taking, releasing)
                self.assertEqual(follow(first), [])
                self.assertEqual(told(follow(second)), [(kind, "a.", "two.catalog.")])
                self.assertEqual(follow(listing(ONE)), [])
                self.assertEqual(told(self.catalogs.leave(TWO)), [("remove", "a.", "two.catalog.")])

    def test_bothLetGo(self) -> None:
        """
        Two catalogs that each want the other one to have a zone do not pass it to and fro.
        """
        follow = self.catalogs.follow
        follow(listing(ONE, member("a.", "l", coo=TWO)))
        self.assertEqual(follow(listing(TWO, member("a.", "l", coo=ONE))), [])
        self.assertEqual(follow(listing(ONE, member("a.", "l", coo=TWO))), [])

    def test_ownerBefore(self) -> None:
        """
        After a restart a zone stays with the catalog that owned it, whichever catalog is read first (RFC 9432, section 5.2); the others get
        it once the owner has been read and does not list it, lets it go with coo, or is not followed any more.
        """
        owner, early = {nameFromText("a."): ONE}, listing(TWO, member("a.", "other"))
        for releasing, expected in (
            (listing(ONE, member("a.")), [("add", "a.", "one.catalog.")]),
            (listing(ONE, member("b.")), [("add", "b.", "one.catalog."), ("add", "a.", "two.catalog.")]),
            (listing(ONE, member("a.", coo=TWO)), [("add", "a.", "one.catalog."), ("reset", "a.", "two.catalog.")]),
        ):
            catalogs = Catalogs(ownerBefore=lambda apex: owner.get(apex, b""))
            self.assertEqual(catalogs.follow(early), [])
            self.assertEqual(list(catalogs.clashes[nameFromText("a.")]), [TWO])
            self.assertEqual(told(catalogs.follow(releasing)), expected)
        catalogs = Catalogs(ownerBefore=lambda apex: owner.get(apex, b""))
        self.assertEqual(catalogs.follow(early), [])
        owner.clear()
        self.assertEqual(told(catalogs.reconsider()), [("add", "a.", "two.catalog.")])

    def test_following(self) -> None:
        """
        A catalog of many zones is gone over to in many short steps. One that is left in the middle of that leaves nothing behind, whatever
        was done of it.
        """
        first = listing(ONE, *[member(f"a{number}.", f"a{number}") for number in range(2000)])
        second = listing(ONE, *[member(f"b{number}.", f"b{number}") for number in range(2000)])
        whole = len(list(self.catalogs.following(first)))
        self.assertGreaterEqual(whole, 4)
        for until in range(1, whole * 2 + 1):
            catalogs = Catalogs()
            served: set[bytes] = set()

            def do(steps: list[Step], served: set[bytes] = served) -> None:
                for step in steps:
                    (served.discard if step.kind == "remove" else served.add)(step.member.apex)

            do(catalogs.follow(first))
            going = catalogs.following(second)
            left: list[Step] | None = None
            rest: list[Step] = []
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
            # What was found before it was left comes to be done after that, when the catalog has none of it any more.
            do(left)
            do([step for step in rest if step.kind == "remove" or catalogs.ownerOf(step.member.apex) is not None])
            self.assertEqual((served, len(catalogs)), (set(), 0), until)

    def test_members(self) -> None:
        """
        It can be asked which zones a catalog has, and which catalog a zone is from.
        """
        self.catalogs.follow(listing(ONE, member("a."), member("b.")))
        self.catalogs.follow(listing(TWO, member("b."), member("c.")))
        self.assertEqual([nameToText(each.name) for each in self.catalogs.members(TWO)], ["c."])
        owner = self.catalogs.ownerOf(nameFromText("b."))
        assert owner is not None
        self.assertEqual(owner[0], ONE)
        self.assertIsNone(self.catalogs.ownerOf(nameFromText("d.")))

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
    def test_agreement(self, versions: list[tuple[bytes, dict[str, tuple[str, tuple[str, ...], bytes]]]]) -> None:
        """
        Whatever catalogs say in whatever order: who does all steps has the zones that the catalogs have, each once; every zone that is
        listed anywhere is there, as what a catalog says that lists it.
        """
        catalogs = Catalogs()
        latest: dict[bytes, Catalog] = {}
        served: dict[bytes, tuple[bytes, Member]] = {}
        for name, zones in versions:
            catalog = listing(name, *[member(zone, label, groups, coo) for zone, (label, groups, coo) in zones.items()])
            latest[name] = catalog
            for step in catalogs.follow(catalog):
                apex = step.member.apex
                self.assertEqual(apex in served, step.kind != "add")
                if step.kind == "remove":
                    del served[apex]
                else:
                    served[apex] = (step.catalog, step.member)
            self.assertEqual(set(served), {apex for each in latest.values() for apex in each.members})
            for apex, (owner, known) in served.items():
                self.assertEqual(catalogs.ownerOf(apex), (owner, latest[owner].members[apex]))
                self.assertEqual((known.label, known.groups), (latest[owner].members[apex].label, latest[owner].members[apex].groups))

    def test_asAZone(self) -> None:
        """
        Records that others add for themselves are in nobody's way.
        """
        sets = catalogSets(ONE, 3, [member("a.", "x")])
        sets.append(RRSet(b"\x03ext\x01x\x05zones" + ONE, 16, 1, 0, (b"\x01y",)))
        catalog = Catalog.fromVersion(Zone.fromRecords(ONE, sets).current)
        self.assertEqual(list(catalog.members.values()), [member("a.", "x")])
