"""
The same zones and the same questions for our server, NSD, BIND, Knot DNS and, where it is installed, PowerDNS.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.conformance.test_ferret import Record, Reply, differences, recordsOf
from tests.knots import knot
from tests.live.twistds import Twistd, wait
from tests.live.zones.agreeing import ReplyContent, unexplained
from tests.live.zones.authorities import ORIGIN, ZONE, QueryCase, questions, signedByBIND, signedByKnot
from tests.live.zones.madeup import madeUp
from tests.patience import PATIENCE
from tests.pdns import hasPowerDNS, powerDNS
from tests.peers import bind, nsd
from tests.queries import optOf, queryOf
from twisted_ext.wire.codes import AA, DO, TC, Rcode
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.limits import CHAIN_LINKS
from twisted_ext.zone.store.nodes import keyBelow
from twisted_ext.zone.zone import Zone

#: The number of questions for all zones together: few for each change, many before a release.
QUESTIONS: Final = int(os.environ.get("TXDNS_AUTHORITY_QUESTIONS", "2000"))

#: The seed of the questions.
SEED: Final = int(os.environ.get("TXDNS_AUTHORITY_SEED", "1"))

#: The number of random zones.
MADE_UP: Final = max(QUESTIONS // 40, 1)

#: Outstanding queries.
_WINDOW: Final = 32

_CNAME: Final = 5

#: Seconds to wait for a UDP reply before the query is repeated.
_WAIT: Final = 2.0

_BIND: Final = "minimal-responses yes; zero-no-soa-ttl no; check-names primary ignore; rrset-order { order none; };"

_SIGNERS: Final[dict[str, Callable[[Path], str]]] = {
    "unsigned": lambda folder: ZONE,
    "nsec": signedByBIND,
    "nsec3": lambda folder: signedByKnot(False),
    "opt-out": lambda folder: signedByKnot(True),
    "opt-out-by-bind": lambda folder: signedByBIND(folder, "-3", "AABB", "-H", "2", "-A"),
}


def queryFor(asked: QueryCase, number: int) -> bytes:
    """
    Return a question as a query.
    """
    opt = optOf(asked.size, flags=DO if asked.dnssecOk else 0) if asked.size else b""
    return queryOf(asked.name, asked.rrType, id=number & 0xFFFF, flags=0, opt=opt)


def repliesOf(server: tuple[str, int], queries: list[bytes]) -> list[bytes]:
    """
    Return a reply to each query. Some queries are sent over UDP at a time and repeated until all have replies.
    """
    replies: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(server)
        asking.settimeout(_WAIT)
        for start in range(0, len(queries), _WINDOW):
            open_ = {query[:2]: query for query in queries[start : start + _WINDOW]}
            found: dict[bytes, bytes] = {}
            for _ in range(int(PATIENCE / _WAIT) + 1):
                for key, query in open_.items():
                    if key not in found:
                        asking.send(query)
                try:
                    while len(found) < len(open_):
                        reply = asking.recv(65535)
                        found[reply[:2]] = reply
                except TimeoutError:
                    continue
                break
            replies += [found[query[:2]] for query in queries[start : start + _WINDOW]]
    return replies


def wholeOf(server: tuple[str, int], query: bytes) -> bytes:
    """
    Return the reply over TCP, which has no size limit.
    """
    with socket.create_connection(server, timeout=PATIENCE) as stream, stream.makefile("rb") as reading:
        stream.sendall(frame(query))
        return reading.read(int.from_bytes(reading.read(2), "big"))


@contextmanager
def serving(folder: Path, zones: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """
    Return the address of our server that answers for all these zones.

    @param zones: master files by the names of their zones.
    """
    files = []
    for number, (origin, text) in enumerate(zones.items()):
        (folder / f"{number}.zone").write_text(text)
        files += ["--zone", f"{origin}={folder / f'{number}.zone'}"]
    server = Twistd(folder)
    where = [
        "--interface",
        "127.0.0.1",
        "--port",
        str(server.port),
        "--control",
        "",
        "--state",
        str(folder / "state"),
        "--response-rate",
        "0",
    ]
    server.words = ["-n", "--pidfile", str(folder / "pid"), "txdns", "serve", *where, *files]
    with server:
        address = ("127.0.0.1", server.port)
        waiting = [queryOf(nameFromText(origin), "SOA", flags=0) for origin in zones]

        def isReady() -> bool:
            while waiting and not ReplyContent(wholeOf(address, waiting[-1])).rcode:
                waiting.pop()
            return not waiting

        wait(isReady, server)
        yield address


@pytest.mark.parametrize("kind", sorted(_SIGNERS))
def test_answersEqualThoseOfPeers(kind: str, tmp_path: Path) -> None:
    """
    All servers give the same answer to every question in every size, except for the differences in L{tests.live.zones.agreeing}.
    """
    keys = tmp_path / "keys"
    keys.mkdir()
    text = _SIGNERS[kind](keys)
    version = Zone.fromText(text, ORIGIN).current
    apex = version.apex
    names = sorted([node.key + apex for node in version.nodes()])
    asked = list(questions(names, apex, max(QUESTIONS // len(_SIGNERS), 1), SEED))
    queries = [queryFor(each, number) for number, each in enumerate(asked)]
    wrong: list[str] = []
    with ExitStack() as stack:
        ourselves = stack.enter_context(serving(tmp_path, {ORIGIN: text}))
        peers = {
            "nsd": stack.enter_context(nsd({ORIGIN: text})),
            "bind": stack.enter_context(bind({ORIGIN: text}, extra=_BIND.replace("; ", ";\n"))),
            "knot": stack.enter_context(knot({ORIGIN: text})),
        }
        ours = [ReplyContent(reply) for reply in repliesOf(ourselves, queries)]
        theirs = {name: [ReplyContent(reply) for reply in repliesOf(server.server, queries)] for name, server in peers.items()}
        for number, each in enumerate(asked):
            here = ours[number]
            inside = keyBelow(each.name, apex) is not None
            if not inside and here.rcode != Rcode.REFUSED:
                wrong.append(f"{nameToText(each.name)}: {here.rcode} for a name in no zone")
            cut = here.cut or any(said[number].cut for said in theirs.values())
            whole = ReplyContent(wholeOf(ourselves, queries[number])) if cut else here
            for name, said in theirs.items():
                there = said[number]
                if inside:
                    found = unexplained(each, name, here, there, whole, apex)
                else:
                    found = [f"rcode: {here.rcode} here, {there.rcode} there"] if here.rcode != there.rcode else []
                if found:
                    wish = " DO" if each.dnssecOk else ""
                    wrong.append(
                        f"{nameToText(each.name)} {typeName(each.rrType)}{wish} {each.size}, {name}: {'; '.join(found)}"
                    )
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong[:20])


def ferretReply(reply: bytes) -> Reply:
    """
    Return a reply in the form that the rule takes. It leaves out duplicate records.
    """
    message = Message.fromWire(reply).check()
    sections: list[frozenset[Record]] = []
    for sets in (message.answer, message.authority, message.additional):
        sections.append(frozenset[Record]().union(*[recordsOf((rrset,)) for rrset in sets]))
    return Reply(Rcode(message.rcode).name, bool(message.flags & AA), *sections)


def test_randomZonesAnswerAsPeersDo(tmp_path: Path) -> None:
    """
    Our answers from random zones are those of NSD, BIND and Knot where these agree, and those of one of them or PowerDNS elsewhere, by the
    rule of the Ferret cases.
    """
    zones = madeUp(SEED, MADE_UP, tmp_path)
    texts = {zone.origin: zone.text for zone in zones}
    random = Random(SEED)
    asked = [
        (zone, name, rrType)
        for zone in zones
        for name in zone.names
        for rrType in (1, 1, 2, 5, 6, 15, 16, 33, 39, 43)
        if random.random() < 0.3
    ]
    queries = [
        queryOf(nameFromText(name), rrType, id=number & 0xFFFF, flags=0, opt=optOf(4096))
        for number, (_, name, rrType) in enumerate(asked)
    ]

    def saidBy(server: tuple[str, int]) -> list[Reply]:
        replies = repliesOf(server, queries)
        return [
            ferretReply(wholeOf(server, query) if reply[2] & TC >> 8 else reply)
            for query, reply in zip(queries, replies, strict=True)
        ]

    with ExitStack() as stack:
        ours = saidBy(stack.enter_context(serving(tmp_path, texts)))
        peers = [
            stack.enter_context(nsd(texts)),
            stack.enter_context(bind(texts, extra=_BIND.replace("; ", ";\n"), zoneExtra="check-integrity no;")),
            stack.enter_context(knot(texts)),
        ]
        if hasPowerDNS():
            peers.append(stack.enter_context(powerDNS(texts)))
        said = [saidBy(peer.server) for peer in peers]
    wrong = []
    for (zone, name, rrType), here, *theirs in zip(asked, ours, *said, strict=True):
        if sum([record[2] == _CNAME for record in here.answer]) >= CHAIN_LINKS.default:
            # Endless aliases: each server gives up at another place.
            continue
        apex = nameFromText(zone.origin)
        found = [differences(here, reply, theirs, apex) for reply in theirs]
        agreed = not any(differences(one, other, theirs, apex) for one in theirs[:3] for other in theirs[:3])
        if all(found[:3] if agreed else found):
            wrong.append(f"{name} {typeName(rrType)}{', all agree' if agreed else ''}: {found}\n{zone.text}")
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong[:5])
