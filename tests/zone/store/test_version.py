"""
Tests of zone versions: look-ups, edits and differences.
"""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.models import APEX, KEYS, SOA_SET, Change, Contents, Model, changed, contents, edits, record
from twisted_ext.errors import BadChange, BudgetSpent
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import RRSIG, SOA
from twisted_ext.zone.limits import OVERLAY_NODES, OVERLAY_OCTETS
from twisted_ext.zone.store import version as versions
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import CUT, EMPTY, OCCLUDED, WILDCARD, Node, keyBelow
from twisted_ext.zone.store.traversal import difference, stretches
from twisted_ext.zone.store.version import Version


def versionOf(held: Contents) -> Version:
    """
    Return the version with these contents.
    """
    builder = ImageBuilder(APEX)
    for sets in held.values():
        builder.addSets(sets)
    return Version(Image(builder.finish()))


def versionWith(*lines: str) -> Version:
    """
    Return a version with SOA and NS records and these.
    """
    builder = ImageBuilder(APEX)
    builder.addSets([SOA_SET, record("test.Example. 3600 NS a"), *[record(line) for line in lines]])
    return Version(Image(builder.finish()))


def folded(sets: Iterable[RRSet]) -> list[tuple[bytes, int, int, bytes]]:
    """
    Return the records with their owners in lower case.
    """
    return [(rrset.name.lower(), rrset.rrType, rrset.ttl, rdata) for rrset in sets for rdata in rrset.rdatas]


class ModelTests(SynchronousTestCase):
    """
    Tests of L{Version} against a simple model.
    """

    def assertAgree(self, version: Version, model: Model) -> None:
        """
        Compare a version with a model.
        """
        for key in (b"", *KEYS, b"\x01z", b"\x01z\x01a"):
            self.assertEqual(version.find(key), model.find(key))
            node = version.nsecBefore(key)
            self.assertEqual(None if node is None else node.key, model.nsecBefore(key))
        for label in (b"\x00", b"*", b"a", b"a\x00z", b"aa", b"b", b"\xff"):
            found = version.nsec3For(label)
            self.assertEqual(None if found is None else (found[0].key, found[1]), model.nsec3For(label))
        every = {node.key: node for node in version.nodes()}
        self.assertEqual(every, {key: model.find(key) for key in model.keys})
        self.assertEqual(version.nodeCount, len(every))
        self.assertEqual(version.recordCount, len(model.records) + 1)
        self.assertEqual(version.serial, int.from_bytes(model.held[b""][1].rdatas[0][-20:-16], "big"))
        self.checkTransfer(version)

    def checkTransfer(self, version: Version) -> None:
        """
        Check that the octets for a transfer yield the same zone.
        """
        pieces = list(stretches(version, 64))
        octets = b"".join([bytes(piece) for piece, _ in pieces])
        self.assertEqual(sum([count for _, count in pieces]), version.recordCount)
        self.assertEqual(octets[2:4], b"\x00\x06")
        again = ImageBuilder(APEX)
        position = 0
        for _ in range(version.recordCount):
            start = position
            while octets[position] < 64:
                position += 1 + octets[position]
            owner = octets[start:position]
            length = int.from_bytes(octets[position + 10 : position + 12], "big")
            rrType = int.from_bytes(octets[position + 2 : position + 4], "big")
            ttl = int.from_bytes(octets[position + 6 : position + 10], "big")
            again.add(owner, rrType, ttl, octets[position + 12 : position + 12 + length])
            position += 12 + length
        self.assertEqual(position, len(octets))
        self.assertEqual({node.key: node for node in Version(Image(again.finish())).nodes()}, {node.key: node for node in version.nodes()})

    @given(contents, edits, st.integers(0, 7))
    def test_editedZoneAgreesWithTheModel(self, held: Contents, changes: list[Change], settling: int) -> None:
        """
        Names, flags, children, chains and transfers agree with the model after any changes, whenever the next image is built.
        Former versions do not change.
        """
        version = versionOf(held)
        history = [(version, Model(held))]
        self.assertAgree(*history[0])
        for number, drawn in enumerate(changes):
            change = changed(held, drawn)
            if number == settling:
                version = version.settled()
            version = version.edited(change)
            held = {**held, **change}
            model = Model(held)
            self.assertAgree(version, model)
            history.append((version, model))
        self.assertAgree(version.settled(), history[-1][1])
        for former, model in history:
            self.assertAgree(former, model)
            self.checkDifference(former, model, *history[-1])

    @given(contents, edits, st.booleans(), st.integers(0, 7), st.lists(st.sampled_from(KEYS), max_size=4))
    def test_subtrees(self, held: Contents, changes: list[Change], isOrdered: bool, settling: int, several: list[bytes]) -> None:
        """
        The names below one, or below any of several, are all that have records, each once, after any changes, whether or not the image is
        in canonical order.
        """
        builder = ImageBuilder(APEX)
        for sets in held.values():
            builder.addSets(sets)
        if isOrdered:
            builder.ordered()
        version = Version(Image(builder.finish()))
        self.assertEqual(version.image.isOrdered, isOrdered)
        for number, drawn in enumerate(changes):
            change = changed(held, drawn)
            if number == settling:
                version = version.settled()
            version = version.edited(change)
            held = {**held, **change}
        there = {key for key, sets in held.items() if sets}
        for tops in (*[[key] for key in (b"", *KEYS, b"\x01z", b"\x01z\x01a")], several):
            below = [key for key in there if any(keyBelow(key, top) for top in tops)]
            self.assertEqual(sorted(version.subtree(*tops)), sorted(below))

    def checkDifference(self, before: Version, beforeModel: Model, after: Version, afterModel: Model) -> None:
        """
        Check the difference of two versions.
        """
        found = difference(before, after)
        removed, added = folded(found.removed), folded(found.added)
        self.assertEqual(sorted(removed), sorted(beforeModel.records - afterModel.records))
        self.assertEqual(sorted(added), sorted(afterModel.records - beforeModel.records))


class VersionTests(SynchronousTestCase):
    """
    Tests for L{Version}.
    """

    def node(self, version: Version, key: bytes) -> Node:
        """
        Return an existing node.
        """
        node = version.find(key)
        assert node is not None
        return node

    def test_signaturesByCoveredType(self) -> None:
        """
        The signatures of each type are found by that type.
        """
        signature = "RRSIG {} 8 3 60 20300101000000 20200101000000 1 test.example. AAAA"
        version = versionWith("a 60 A 192.0.2.1", "a 60 " + signature.format("A"), "a 30 " + signature.format("NSEC"))
        node = self.node(version, b"\x01a")
        ofA, ofNSEC = node.signatures(1), node.signatures(47)
        assert ofA is not None and ofNSEC is not None
        self.assertEqual([rdata[:2] for rdata in ofA.rdatas + ofNSEC.rdatas], [b"\x00\x01", b"\x00\x2f"])
        self.assertEqual((ofA.ttl, ofNSEC.ttl), (60, 30))
        self.assertIsNone(node.signatures(28))
        self.assertEqual(node.types, (1, RRSIG))

    def test_delegationHidesNamesBelow(self) -> None:
        """
        A new delegation hides the names below, and its removal shows them again. Their nodes are not touched.
        """
        version = versionWith("www.sub 60 A 192.0.2.1", "deep.www.sub 60 A 192.0.2.1")
        key = b"\x04deep\x03www\x03sub"
        cut = version.edited({b"\x03sub": (record("sub 60 NS ns.elsewhere."),)})
        self.assertEqual(len(cut.overlay), 1)
        self.assertTrue(self.node(cut, key).flags & OCCLUDED)
        self.assertTrue(self.node(cut, b"\x03sub").flags & CUT)
        self.assertFalse(self.node(version, key).flags & OCCLUDED)
        undone = cut.edited({b"\x03sub": ()})
        self.assertFalse(self.node(undone, key).flags & OCCLUDED)
        self.assertTrue(self.node(undone, b"\x03sub").flags & EMPTY)
        hidden = cut.settled()
        self.assertTrue(self.node(hidden, key).flags & OCCLUDED)
        self.assertFalse(self.node(hidden.edited({b"\x03sub": ()}), key).flags & OCCLUDED)

    def test_nextImageIsOrdered(self) -> None:
        """
        The next image of a signed zone is in canonical order, with empty non-terminals behind all other names; that of another zone keeps
        its order.
        """
        lines = ["x.y.b 60 A 192.0.2.1", "a 60 A 192.0.2.1"]
        self.assertFalse(versionWith(*lines).settled().image.isOrdered)
        for line in ("test.Example. 60 NSEC a A", "test.Example. 0 NSEC3PARAM 1 0 0 -"):
            image = versionWith(*lines, line).settled().image
            self.assertTrue(image.isOrdered)
            keys = [image.key(index) for index in range(image.nodes)]
            self.assertEqual(keys, [b"", b"\x01a", b"\x01x\x01y\x01b", b"\x01y\x01b", b"\x01b"])

    def test_parentKnowsItsWildcard(self) -> None:
        """
        The parent of a wildcard is flagged, even if the wildcard is an empty non-terminal.
        """
        version = versionWith("*.a 60 A 192.0.2.1", "x.*.b 60 A 192.0.2.1")
        self.assertTrue(self.node(version, b"\x01a").flags & WILDCARD)
        self.assertTrue(self.node(version, b"\x01b").flags & WILDCARD)
        self.assertFalse(self.node(version, b"").flags & WILDCARD)
        bare = version.edited({b"\x01*\x01a": (), b"\x01x\x01*\x01b": (), b"\x01*": (record("* 60 A 192.0.2.1"),)})
        self.assertIsNone(bare.find(b"\x01a"))
        self.assertIsNone(bare.find(b"\x01b"))
        self.assertTrue(self.node(bare, b"").flags & WILDCARD)

    def test_editMustKeepTheSOA(self) -> None:
        """
        An edit without exactly one SOA record is refused.
        """
        version = versionWith()
        self.assertRaises(BadChange, version.edited, {b"": (record("test.Example. 60 NS a"),)})
        two = RRSet(APEX, SOA, 1, 60, (SOA_SET.rdatas[0], SOA_SET.rdatas[0][:-4] + b"\x00\x00\x00\x01"))
        self.assertRaises(BadChange, version.edited, {b"": (two,)})

    def test_ownerMustMatchTheKey(self) -> None:
        """
        Records with an owner that differs from the edited name are refused.
        """
        self.assertRaises(BadChange, versionWith().edited, {b"\x01a": (record("b 60 A 192.0.2.1"),)})

    def test_otherZoneIsNotCompared(self) -> None:
        """
        The versions of two zones are not compared.
        """
        builder = ImageBuilder(b"\x05other\x00")
        builder.add(b"", SOA, 60, SOA_SET.rdatas[0])
        self.assertRaises(BadChange, difference, versionWith(), Version(Image(builder.finish())))

    def test_crowdedOverlayIsReportedAndLimited(self) -> None:
        """
        A version reports that its overlay is large enough for the next image, and refuses edits above the limit.
        """
        version = versionWith()
        changes = {b"\x02" + number.to_bytes(2, "big"): number for number in range(20)}
        edit = {key: (RRSet(key + APEX, 1, 1, 60, (b"\x7f\x00\x00\x01",)),) for key in changes}
        self.patch(versions, "OVERLAY_NODES", type(OVERLAY_NODES)(20, 1, 20))
        after = version.edited(edit)
        self.assertTrue(after.crowded)
        self.assertFalse(after.settled().crowded)
        self.assertFalse(version.crowded)
        from twisted_ext.zone.store import overlay as overlays

        self.patch(overlays, "OVERLAY_NODES", type(OVERLAY_NODES)(1, 1, 20))
        self.assertRaises(BudgetSpent, version.edited, edit)
        self.patch(overlays, "OVERLAY_NODES", OVERLAY_NODES)
        self.patch(overlays, "OVERLAY_OCTETS", type(OVERLAY_OCTETS)(1, 1, 500))
        self.assertRaises(BudgetSpent, version.edited, edit)

    def test_removedOctetsAreNotCounted(self) -> None:
        """
        Octets removed from the overlay are not counted.
        """
        self.patch(versions, "OVERLAY_OCTETS", type(OVERLAY_OCTETS)(2000, 1, 10**9))
        version = versionWith()
        large = RRSet(b"\x01a" + APEX, 16, 1, 60, (b"\xff" + bytes(255),) * 1)
        many = RRSet(b"\x01a" + APEX, 16, 1, 60, tuple([b"\x01" + bytes([number]) for number in range(200)]))
        for _ in range(50):
            version = version.edited({b"\x01a": (large,)})
            self.assertFalse(version.crowded)
            version = version.edited({b"\x01a": ()})
        self.assertTrue(version.edited({b"\x01a": (many,)}).crowded)
        self.assertFalse(version.edited({b"\x01a": (many,)}).edited({b"\x01a": ()}).crowded)

    def test_editStoresChangedNamesOnly(self) -> None:
        """
        An edit stores the changed names only.
        """
        version = versionWith(*[f"h{number} 60 A 192.0.2.1" for number in range(500)])
        after = version.edited({b"\x02h7": (), b"\x01x\x02h8": (record("x.h8 60 A 192.0.2.1"),)})
        self.assertEqual(set(after.overlay), {b"", b"\x02h7", b"\x02h8", b"\x01x\x02h8"})
        self.assertIs(after.image, version.image)
        self.assertEqual(version.overlay, {})

    def test_keysSinceARecentVersion(self) -> None:
        """
        The keys changed since a recent version are found without a scan of the overlay. All differing keys are returned for an old
        or unrelated version.
        """
        versions = [versionWith()]
        for number in range(600):
            versions.append(versions[-1].edited({b"\x04n%03d" % number: (record(f"n{number:03d}.test.example. 60 A 192.0.2.1"),)}))
        self.assertEqual(set(versions[600].keysSince(versions[599])), {b"\x04n599", b""})
        self.assertEqual(set(versions[600].keysSince(versions[597])), {b"\x04n597", b"\x04n598", b"\x04n599", b""})
        self.assertEqual(list(versions[600].keysSince(versions[600])), [])
        other = versions[599].edited({b"\x01x": (record("x.test.example. 60 A 192.0.2.1"),)})
        last = other.edited({b"\x01y": (record("y.test.example. 60 A 192.0.2.1"),)})
        self.assertEqual(set(last.keysSince(other)), {b"\x01y", b""})
        for later, before in ((versions[600], other), (last, versions[600]), (versions[600], versions[1]), (versions[3], None)):
            self.assertEqual(set(later.keysSince(before)), set(later.overlay))
        for later, before in ((versions[600], versions[590]), (last, other)):
            differing = {key for key, node in later.overlay.items() if before.overlay.get(key) is not node}
            self.assertLessEqual(differing, set(later.keysSince(before)))

    def test_namedNsec3ChainIsUsed(self) -> None:
        """
        Only the NSEC3 chain that NSEC3PARAM names is used while a zone changes from one chain to another.
        """
        lines = [f"{letter * 4} 60 NSEC3 1 0 {rounds} - {'a' * 8} A" for letter, rounds in zip("abcdefgh", (0, 5) * 4, strict=True)]
        version = versionWith("test.Example. 0 NSEC3PARAM 1 0 0 -", *lines)
        for each in (version, version.settled()):
            self.assertEqual(self.covering(each), [b"gggg", b"aaaa", b"aaaa", b"gggg"])
        other = version.edited({b"": (*version.top.sets[:2], record("test.Example. 0 NSEC3PARAM 1 0 5 -"))})
        for each in (other, other.settled()):
            self.assertEqual(self.covering(each), [b"hhhh", b"hhhh", b"bbbb", b"hhhh"])
        self.patch(versions, "NSEC3_STEPS", type(OVERLAY_NODES)(1, 1, 1))
        self.assertIsNone(other.nsec3For(b"aaaa"))
        none = version.edited({b"": version.top.sets[:2]})
        self.assertIsNone(none.nsec3For(b"aaaa"))
        self.assertTrue(version.signed)
        self.assertFalse(none.signed)

    def test_removedHashesCostNothing(self) -> None:
        """
        A look-up in the NSEC3 chain skips any number of removed names in one step.
        """
        labels = [f"{number:08x}" for number in range(1000)]
        version = versionWith("test.Example. 0 NSEC3PARAM 1 0 0 -", *[f"{label} 60 NSEC3 1 0 0 - {'a' * 8} A" for label in labels])
        gone = version.edited({b"\x08" + label.encode(): () for label in labels[1:]})
        found = gone.nsec3For(b"000003e7")
        assert found is not None
        self.assertEqual((found[0].key, found[1]), (b"\x0800000000", False))
        self.assertEqual(len(gone.overlay), 1000)
        self.patch(versions, "standing", lambda gone, place: place)
        self.assertIsNone(gone.nsec3For(b"000003e7"))

    def covering(self, version: Version) -> list[bytes]:
        """
        Return the owners that match or cover some hashes.
        """
        found = [version.nsec3For(label) for label in (b"a", b"aaaa", b"bbbb", b"z")]
        return [each[0].key[1:] for each in found if each is not None]
