"""
Tests of the page of earlier queries.
"""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.metrics.samples import HOSTILE, busy
from tests.server.features.queryhistory.recorder.histories import BEGIN, historyOf, rowOf
from tests.server.operations.seeing import TODAY, Response, SeenServer, talk
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.queryhistory import searching
from twisted_ext.server.features.queryhistory.recorder.rows import Row
from twisted_ext.server.features.queryhistory.searching import FIELDS
from twisted_ext.web.status.queries import EarlierQueries
from twisted_ext.web.status.service import webSite
from twisted_ext.wire.names import nameToText


class _Tags(HTMLParser):
    """
    Collects the names of elements and attributes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *[name for name, _ in attrs]}


class EarlierQueriesTests(SynchronousTestCase):
    """
    Tests of the page by requests.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.folder = Path(self.mktemp()) / "history"
        self.folder.mkdir(parents=True)
        self.settings: dict[str, Any] = {"role": "serve", "state": str(self.folder.parent), "queryHistory": True, "showClients": True}

    def operations(self) -> SeenServer:
        return SeenServer(self.clock, busy(), lambda: TODAY, settings=Settings.of(**self.settings))

    def get(self, **fields: str) -> Response:
        return self.fetch(fields, {})

    def fetch(self, fields: dict[str, str], headers: dict[str, str]) -> Response:
        site = webSite(self.operations().status, self.clock, timer=self.clock.seconds)
        target = f"/queries?{urlencode(fields)}"
        return talk(site, self.clock, target, "GET", headers={"Host": "127.0.0.1:5380", **headers})

    def rows(self, response: Response) -> list[list[str]]:
        """
        Return what a browser shows of the table's rows.
        """
        self.assertEqual(response.code, 200, response.body)
        found: list[list[str]] = []
        for row in re.findall(r"<tr>(.*?)</tr>", response.body.decode(), re.S)[1:]:
            cells = re.findall(r"<td>(.*?)</td>", row, re.S)
            found.append([unescape(re.sub(r"<[^>]*>", "", cell)) for cell in cells])
        return found

    def names(self, **fields: str) -> list[str]:
        return [cells[2] for cells in self.rows(self.get(**fields))]

    def history(self, *rows: Row) -> None:
        historyOf(self.folder, list(rows))

    def test_fields(self) -> None:
        """
        Queries are found by name, client, outcome and time.
        """
        self.history(
            rowOf("example", BEGIN),
            rowOf("www.example", BEGIN + 10, client="192.0.2.9"),
            rowOf("track.test", BEGIN + 20, status="blocked"),
            rowOf("late.test", BEGIN + 1_000_000),
        )
        self.assertEqual(self.names(), ["late.test.", "track.test.", "www.example.", "example."])
        self.assertEqual(self.names(name="example", match="below"), ["www.example.", "example."])
        self.assertEqual(self.names(name="example", match="is"), ["example."])
        self.assertEqual(self.names(name="rack", match="part"), ["track.test."])
        self.assertEqual(self.names(client="192.0.2.9"), ["www.example."])
        self.assertEqual(self.names(client="192.0.2.8/30"), ["www.example."])
        self.assertEqual(self.names(outcome="blocked"), ["track.test."])
        self.assertEqual(self.names(since="2023-11-20"), ["late.test."])
        self.assertEqual(self.names(until="2023-11-20", name="test"), ["track.test."])
        self.assertIn(b"No queries were found", self.get(name="absent.example").body)

    def test_cells(self) -> None:
        """
        A row says who asked what, what became of it, and what has decided.
        """
        self.history(rowOf("ads.example", type=28, rcode=3, ede="Blocked", rule="ads:7", micros=12_300, status="blocked"))
        (cells,) = self.rows(self.get())
        self.assertEqual(cells[1:], ["192.0.2.7", "ads.example.", "AAAA", "blocked", "NXDOMAIN", "12.3", "ads:7, Blocked", "1.1"])

    def test_olderQueries(self) -> None:
        """
        The links to older queries lead to each query once, also where many were answered at the same time, and keep what is searched for.
        """
        historyOf(self.folder, [rowOf(f"n{n}.example", type=n + 1) for n in range(150)], [rowOf("x.test"), *[rowOf() for _ in range(99)]])
        found: list[str] = []
        fields = {"name": "example"}
        while True:
            response = self.get(**fields)
            found += [cells[8] for cells in self.rows(response)]
            link = re.search(r'href="/queries\?([^"]*)" rel="next"', response.body.decode())
            if link is None:
                break
            fields = dict(pair.split("=") for pair in unescape(link[1]).split("&"))
            self.assertEqual(fields["name"], "example")
        self.assertEqual(found, [*[f"2.{row}" for row in range(100, 1, -1)], *[f"1.{row}" for row in range(150, 0, -1)]])

    def test_onePageExactly(self) -> None:
        """
        Where no older queries are there is no link to them.
        """
        self.history(*[rowOf() for _ in range(100)])
        response = self.get()
        self.assertEqual(len(self.rows(response)), 100)
        self.assertNotIn(b"Older queries", response.body)

    def test_wrongField(self) -> None:
        """
        A field that cannot be used is named, and the form keeps what was written.
        """
        self.history(rowOf())
        for fields, said in (
            ({"client": "printer"}, "'printer' is not an address"),
            ({"since": "yesterday"}, "is not a time"),
            ({"outcome": "lost"}, "is not one of"),
            ({"name": "a..b"}, "a label is empty"),
        ):
            response = self.get(**fields)
            self.assertEqual(response.code, 400)
            page = unescape(response.body.decode())
            self.assertIn(said, page)
            self.assertTrue(any(f'value="{value}"' in page for value in fields.values()) or "outcome" in fields)

    def test_hostileTexts(self) -> None:
        """
        Names, texts of upstreams and places of rules are shown as text; so is what the address of the page says.
        """
        evil = '"><script>alert(1)</script>\x1b[2J\u202e'
        self.history(rowOf(nameToText(HOSTILE[0]), rule=evil, ede=evil, client=evil))
        for page in (self.get().body, self.get(name=evil).body, self.get(client=evil, since=evil).body, self.get(before=evil).body):
            parser = _Tags()
            parser.feed(page.decode())
            self.assertEqual(parser.found & {"script", "img", "onerror", "src"}, set())
        (cells,) = self.rows(self.get())
        self.assertEqual(cells[2], nameToText(HOSTILE[0]))
        self.assertTrue(all(cell.isprintable() for cell in cells), cells)

    def test_damagedFile(self) -> None:
        """
        A file that cannot be read is named, and others are searched.
        """
        _, damaged = historyOf(self.folder, [rowOf("good.example")], [rowOf("bad.example")])
        damaged.chmod(0o600)
        damaged.write_bytes(b"no database" * 1000)
        response = self.get()
        self.assertEqual([cells[2] for cells in self.rows(response)], ["good.example."])
        self.assertIn(f"{damaged}: file is not a database", response.body.decode())

    def test_folderIsMissing(self) -> None:
        """
        Before the first query was written there is no folder.
        """
        self.folder.rmdir()
        response = self.get()
        self.assertEqual(response.code, 500)
        self.assertIn(b"cannot be read: No such file or directory", response.body)

    def test_clientsAreNotShown(self) -> None:
        """
        Without show-clients nobody sees who asked what. A server without a history says so.
        """
        self.history(rowOf())
        self.settings["showClients"] = False
        response = self.get()
        self.assertEqual(response.code, 403)
        self.assertIn(b"show-clients = true", response.body)
        self.assertNotIn(b"www.example", response.body)
        self.settings |= {"showClients": True, "queryHistory": False}
        response = self.get()
        self.assertEqual(response.code, 404)
        self.assertIn(b"query-history = true", response.body)

    def test_otherSites(self) -> None:
        """
        Pages of other sites can neither read it nor make the server search; and its form leads nowhere else.
        """
        self.history(rowOf())
        self.assertEqual(self.fetch({}, {"Host": "rebound.example"}).code, 421)
        self.assertEqual(self.fetch({}, {"Sec-Fetch-Site": "cross-site"}).code, 403)
        self.assertIn("form-action 'self'; frame-ancestors 'none'", self.get().headers["content-security-policy"])

    def test_oneSearchAtATime(self) -> None:
        """
        Searches wait for each other; when many do, others are refused.
        """
        self.history(rowOf())
        making = EarlierQueries(self.operations().status, self.clock)
        running: list[Deferred[bytes]] = []

        def run(searches: object, written: bytes) -> Deferred[bytes]:
            running.append(Deferred())
            return running[-1]

        with patch.object(searching.HistorySearch, "_run", run):
            pages = [Deferred.fromCoroutine(making.page(dict.fromkeys(FIELDS, ""))) for _ in range(6)]
            self.assertEqual(len(running), 1)
            self.assertEqual(self.successResultOf(pages[5]).code, 503)
            for number in range(5):
                running[number].callback(b'{"found": [], "wrong": []}')
                self.assertEqual(self.successResultOf(pages[number]).code, 200)
