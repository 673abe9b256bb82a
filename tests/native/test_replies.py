"""
Tests of the replies that the C extension makes from zones.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

from tests.native.differing import SECRET, TODAY, Differing, damagedImage, extended
from tests.native.twins import builtExtension
from tests.queries import optOf, queryOf
from tests.typed import unchecked
from tests.zone.plain import HEAD, versionOf
from twisted_ext.native import siphash
from twisted_ext.native.loops import Place
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.zones.table import replying
from twisted_ext.server.zones.table.replying import ZoneReplies, denialOf
from twisted_ext.server.zones.table.zonetable import EXPIRED, Zones
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import TXT
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

_HERE = bytes([127, 0, 0, 1])
_PLACE: Place = (_HERE, b"")


def _replies(zones: Zones, secret: bytes | None = None) -> ZoneReplies:
    return ZoneReplies(zones, lambda: TODAY, ReplyBuilder().opts, secret=secret)


def _asked(made: ZoneReplies, query: bytes, address: bytes = _HERE) -> Message | None:
    """
    Return the reply to a query that a client sends twice: at the first time a zone is mapped.
    """
    made.repliesTo([(query, (address, b""))], 0.0)
    (body,) = made.repliesTo([(query, (address, b""))], 0.0)
    return None if body is None else Message.fromWire(query[:2] + body)


def test_repliesAreThoseOfPython() -> None:
    """
    For random queries the replies are those of Python, octet by octet. C{python -m tests.native.differing} compares ten million.
    """
    differing = Differing(random.randrange(1 << 32))
    assert differing.run(100_000) == ""
    assert differing.made > 5000 and differing.denied > 2000 and differing.cookies > 200


def test_differencesAreFound(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The comparison finds wrong replies: here denials whose pointers are off by one.
    """
    extension = builtExtension()

    def wrong(*given: object) -> object:
        denial = given[4]
        if isinstance(denial, tuple):
            given = (*given[:4], (denial[0], denial[1] - 1, *denial[2:]), *given[5:])
        return unchecked(extension.mapped)(*given)

    monkeypatch.setattr("tests.native.differing.builtExtension", lambda: type("Wrong", (), {"mapped": wrong, "replies": extension.replies}))
    assert "Python" in Differing(1).run(20_000)


def test_changesAreSeenAtOnce() -> None:
    """
    After a version was published, or its zone has expired or gone, no reply is made from the former one.
    """
    zones = Zones()
    zones.put(Zone(versionOf(HEAD + "www A 192.0.2.1\n")))
    query = (queryOf("www.example."), _PLACE)
    with extended():
        made = _replies(zones)
        assert made.repliesTo([query], 0.0) == [None]
        (before,) = made.repliesTo([query], 0.0)
        assert before is not None and before.endswith(bytes([192, 0, 2, 1]))
        zones.revise(nameFromText("example."), versionOf(HEAD + "www A 192.0.2.2\n"))
        assert made.repliesTo([query], 0.0) == [None]
        (after,) = made.repliesTo([query], 0.0)
        assert after is not None and after.endswith(bytes([192, 0, 2, 2]))
        zones.fail(nameFromText("example."), "expired", EXPIRED)
        assert made.repliesTo(2 * [query], 0.0) == [None, None]
        zones.put(Zone(versionOf(HEAD)))
        zones.put(Zone(versionOf("@ SOA a. b. 1 2 3 4 5\nwww A 192.0.2.3\n", "www.example.")))
        # It is the apex of another zone now.
        assert made.repliesTo(2 * [query], 0.0) == [None, None]
        zones.remove(nameFromText("www.example."))
        made.repliesTo([query], 0.0)
        (denied,) = made.repliesTo([query], 0.0)
        assert denied is not None and denied[1] & 15 == 3
        zones.remove(nameFromText("example."))
        assert made.repliesTo(2 * [query], 0.0) == [None, None]


def test_recordsForPython() -> None:
    """
    Records of one type that are the same, or whose TTLs differ, are put in order by Python.
    """
    image = versionOf(HEAD + "www A 192.0.2.1\nwww A 192.0.2.2\n").image
    mapping = image.mapping()
    assert mapping is not None
    octets = bytes(mapping[0])
    second = bytes([0, 0, 1, 44, 0, 4, 192, 0, 2, 2])
    assert octets.count(second) == 1
    query = queryOf("www.example.")
    for changed, isMade in (
        (second, True),
        (second[:-1] + b"\x01", False),
        (b"\x00\x00\x01\x2d" + second[4:], False),
    ):
        zones = Zones()
        zones.put(Zone(Version(Image(octets.replace(second, changed)))))
        with extended():
            assert (_asked(_replies(zones), query) is not None) == isMade


def test_zonesWithManyLabels() -> None:
    """
    Zones are found however many labels their names have, also where all have the same number.
    """
    for count in (1, 62, 63, 64, 120):
        apex = count * "d."
        zones = Zones()
        zones.put(Zone(versionOf(HEAD + "www A 192.0.2.1\n", apex)))
        with extended():
            for name in (f"www.{apex}", f"no.{apex}", f"no.www.{apex}"):
                assert _asked(_replies(zones), queryOf(name)) is not None
            assert _asked(_replies(zones), queryOf("www.e.")) is None


def test_largestReply() -> None:
    """
    Replies of up to 1232 octets are made, for clients that take more as well; larger ones are left to Python, which truncates them.
    """
    full = " ".join(4 * [255 * "x"])
    for left, isMade in ((155, True), (156, False)):
        zones = Zones()
        zones.put(Zone(versionOf(HEAD + f"www TXT {full} {left * 'x'}\n")))
        query = queryOf("www.example.", TXT, opt=optOf(size=4096))
        with extended():
            made = _replies(zones)
            made.repliesTo([(query, _PLACE)], 0.0)
            (body,) = made.repliesTo([(query, _PLACE)], 0.0)
        assert (None if body is None else 2 + len(body)) == (1232 if isMade else None)


def test_cookies() -> None:
    """
    A client cookie alone gets a server cookie of RFC 9018, version 1, for the client's address; IPv4 over IPv6 is IPv4. Any other option is
    left to Python, and so are cookies where they are ignored, and those of clients whose address is text.
    """
    zones = Zones()
    zones.put(Zone(versionOf(HEAD + "www A 192.0.2.1\n")))
    client = bytes(range(8))

    def ask(*options: tuple[int, bytes], address: bytes = _HERE, secret: bytes | None = SECRET) -> bytes:
        with extended():
            reply = _asked(_replies(zones, secret), queryOf("www.example.", opt=optOf(options=options)), address)
        return b"" if reply is None or reply.edns is None else dict(reply.edns.options)[10]

    option = (10, client)
    start = client + b"\x01\x00\x00\x00" + int(TODAY).to_bytes(4, "big")
    for host, address in ((_HERE, _HERE), (_HERE, bytes(10) + b"\xff\xff" + _HERE), (bytes(range(16)), bytes(range(16)))):
        assert ask(option, address=address) == start + siphash.sipHash(SECRET, start + host)
    for options in ([option, (3, b"")], [(10, 2 * client)], [(10, client[:7])], [(3, b"")], [(10, client), (10, client)]):
        assert ask(*options) == b""
    assert ask(option, secret=None) == b""
    text: Any = "127.0.0.1"
    assert ask(option, address=text) == b""


def test_namesOfTheSOARecord() -> None:
    """
    A question below a name in the SOA record, whose denial is compressed otherwise, is left to Python.
    """
    zones = Zones()
    version = versionOf("@ SOA ns1.hosts mail.elsewhere. 1 2 3 4 5\n@ NS ns1.hosts\nhosts A 192.0.2.1\n")
    zones.put(Zone(version))
    denial = denialOf(version)
    assert denial is not None and denial[3:] == (b"\x05hosts", b"")
    with extended():
        assert _asked(_replies(zones), queryOf("x.hosts.example.")) is None
        assert _asked(_replies(zones), queryOf("hosts.x.example.")) is not None


@pytest.mark.parametrize("names", [4 * (63,), (121, 121), (60, 60, 60, 60)])
def test_longNamesOfTheSOARecord(names: tuple[int, ...]) -> None:
    """
    Denials of a zone whose SOA record has long names are made in Python, and its other replies here; other zones are not affected.
    """
    # The last name may have 255 octets with the apex.
    long = ".".join(["n" * min(63, size) for size in names])[: 255 - len("e.test.") - 3]
    mname, rname = (long, long) if len(names) == 2 else (long, "h")
    zones = Zones()
    zones.put(Zone(versionOf(f"@ SOA {mname} {rname} 1 2 3 4 5\n@ NS a.\nwww A 192.0.2.1\n", "e.test.")))
    zones.put(Zone(versionOf(HEAD + "www A 192.0.2.2\n")))
    with extended():
        made = _replies(zones)
        assert _asked(made, queryOf("www.example.")) is not None
        assert _asked(made, queryOf("www.e.test.")) is not None
        denied = _asked(made, queryOf("no.e.test."))
        assert denied is None or denied.rcode == 3
        assert _asked(made, queryOf("no.example.")) is not None
    assert made.unmapped == 0


def test_oneZoneThatCannotBeMapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An error with one zone leaves that to Python, is reported once, and costs no other zone a reply.
    """
    zones = Zones()
    zones.put(Zone(versionOf(HEAD + "www A 192.0.2.1\n")))
    zones.put(Zone(versionOf(HEAD + "www A 192.0.2.2\n", "bad.test.")))
    failures: list[Exception] = []
    real = replying.denialOf

    def failing(version: Version) -> object:
        if version.apex == nameFromText("bad.test."):
            raise ValueError("not this one")
        return real(version)

    monkeypatch.setattr("twisted_ext.server.zones.table.replying.denialOf", failing)
    queries = [(queryOf(name), _PLACE) for name in ("www.example.", "www.bad.test.")]
    with extended():
        made = ZoneReplies(zones, lambda: TODAY, ReplyBuilder().opts, failed=failures.append)
        for _ in range(3):
            replies = made.repliesTo(queries, 0.0)
        assert replies[0] is not None and replies[1] is None
        assert (len(failures), made.unmapped) == (1, 1)
        zones.revise(nameFromText("bad.test."), versionOf(HEAD + "www A 192.0.2.3\n", "bad.test."))
        for _ in range(3):
            made.repliesTo(queries, 0.0)
        assert (len(failures), made.unmapped) == (2, 2)


def test_otherZonesStayMapped() -> None:
    """
    A change of one zone costs the others nothing: they are not mapped anew.
    """
    zones = Zones()
    for apex in ("example.", "other.test."):
        zones.put(Zone(versionOf(HEAD + "www A 192.0.2.1\n", apex)))
    queries = [(queryOf(name), _PLACE) for name in ("www.example.", "www.other.test.")]
    with extended():
        made = _replies(zones)
        made.repliesTo(queries, 0.0)
        zones.revise(nameFromText("example."), versionOf(HEAD + "www A 192.0.2.2\n"))
        changed, same = made.repliesTo(queries, 0.0)
        assert changed is None and same is not None


def test_nodesWithManyRecords() -> None:
    """
    A node with thousands of records is left to Python, which does not read all of them to find those of another type.
    """
    zones = Zones()
    zones.put(Zone(versionOf(HEAD + "".join([f"many A 10.0.{number >> 8}.{number & 255}\n" for number in range(2000)]))))
    with extended():
        made = _replies(zones)
        assert _asked(made, queryOf("no.example.")) is not None
        assert _asked(made, queryOf("many.example.", "AAAA")) is None


def test_mapsOfOtherZones() -> None:
    """
    A map is not used for a zone with a name of another length than its own.
    """
    version = versionOf(HEAD + "www A 192.0.2.1\n")
    mapping = version.image.mapping()
    assert mapping is not None
    extension = builtExtension()
    made = extension.mapped(*mapping, version.apex, {}, None, False)
    apex = nameFromText("le.")
    terms = (0, *ReplyBuilder().opts, bytes(32), None)
    arrived = [(queryOf("www.le."), _PLACE)]
    assert extension.replies({apex: None}, {apex: made}, (1 << 64) - 1, terms, 0, arrived, []) == [None]
    arrived = [(queryOf("www.example."), _PLACE)]
    assert extension.replies({version.apex: None}, {version.apex: made}, (1 << 64) - 1, terms, 0, arrived, []) != [None]


def _mapped(buffer: bytes, places: tuple[int, ...], denial: object) -> object:
    return unchecked(builtExtension().mapped)(buffer, places, b"\x07example\x00", {}, denial, False)


def test_damagedImages() -> None:
    """
    Whatever the octets of an image are, replies are made, or are left to Python: nothing outside of it is read.
    """
    chance = random.Random(random.randrange(1 << 32))
    assert sum([damagedImage(builtExtension(), chance) for _ in range(60)]) > 100


def test_partsOutsideOfTheBuffer() -> None:
    """
    Parts that reach beyond the buffer, and numbers that cannot be those of an image, are errors.
    """
    version = versionOf(HEAD + "www A 192.0.2.1\n")
    mapping = version.image.mapping()
    assert mapping is not None
    buffer, places = bytes(mapping[0]), mapping[1]
    _mapped(buffer, places, None)
    for index in range(len(places)):
        for value in (len(buffer) + 1, 1 << 40, sys.maxsize, (1 << 64) - 1):
            with pytest.raises(ValueError):
                _mapped(buffer, (*places[:index], value, *places[index + 1 :]), None)
    with pytest.raises(ValueError):
        _mapped(buffer[: places[4]], places, None)
    denial: Any
    for denial in ((bytes(9), 2, b"\x08", b"", b""), (bytes(2000), 2, b"", b"", b""), (b"", 1000, b"", b"", b"")):
        with pytest.raises(ValueError):
            _mapped(buffer, places, denial)
    for denial in ((), (b"", 2, b"", b""), ("", 2, b"", b"", b""), (b"", "", b"", b"", b""), (b"", 2, b"", None, b""), "text"):
        with pytest.raises(TypeError):
            _mapped(buffer, places, denial)
    mapped = unchecked(builtExtension().mapped)
    arguments: tuple[Any, ...]
    apex = b"\x00"
    for arguments in ((), (buffer, places, "", {}, None, 0), (buffer, places, apex, [], None, 0), (buffer, (), apex, {}, None, 0)):
        with pytest.raises(TypeError):
            mapped(*arguments)
    with pytest.raises((TypeError, BufferError)):
        mapped("text", places, b"\x00", {}, None, False)
    with pytest.raises(OverflowError):
        mapped(buffer, (-1, *places[1:]), b"\x00", {}, None, False)


def test_wrongCalls() -> None:
    """
    Arguments of other types are errors.
    """
    replies = unchecked(builtExtension().replies)
    opt = ReplyBuilder().opts[0]
    fine: tuple[object, ...] = ({}, {}, 0, (0, opt, opt, bytes(32), None), 0, [(b"", _PLACE)], [])
    assert replies(*fine) == [None]
    wrong: list[tuple[int, object]] = [
        (0, []), (1, None), (2, "1"), (3, ()), (3, (0, opt, opt, bytes(31), None)), (3, (0, b"", opt, bytes(32), None)),
        (3, ("", opt, opt, bytes(32), None)), (3, (0, opt, opt, bytes(32), bytes(15))), (4, None), (5, ()), (5, [b""]), (5, [("", _PLACE)]),
        (5, [(b"", b"")]), (5, [(b"", ())]), (6, ()),
    ]  # fmt: skip
    for index, value in wrong:
        with pytest.raises(TypeError):
            replies(*fine[:index], value, *fine[index + 1 :])
    with pytest.raises(TypeError):
        replies(*fine[1:])
    # Something else in the place of a map is left to Python.
    query = (queryOf("www.example."), _PLACE)
    assert replies({}, {nameFromText("example."): "map"}, 2, fine[3], 0, [query], []) == [None]


