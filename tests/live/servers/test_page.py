"""
Tests of the status page of C{twistd txdns} in a browser, with several workers behind it.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.apps.browsing import Browsing, browserPath, commandOf
from tests.live.twistds import Twistd, exchange, wait
from tests.live.upstreams import Upstream
from tests.peers import freePort
from twisted_ext.apps.cli.server.client import ControlChannel

#: Queries for each name, which reach both workers: the source port decides which.
_QUERIES = 30

#: The queries in the live list for a name: their number, and the different values of a column.
_SHOWN = """
(name => {
  const all = [...document.querySelectorAll('#liveTable tbody tr')];
  const rows = all.filter(row => row.cells[2].textContent.startsWith(name));
  const counts = rows.map(row => Number(row.cells[2].textContent.split(' ×')[1] || 1));
  const sum = counts.reduce((total, count) => total + count, 0), states = new Set(rows.map(row => row.cells[5].textContent));
  return `${sum} ${[...states].sort()}`;
})('%s')
"""

#: The sum of a column of the history.
_SUM = "[...document.querySelectorAll('#values tbody tr')].reduce((total, row) => total + Number(row.cells[%d].textContent), 0)"


def test_pageShowsAllWorkers(tmp_path: Path) -> None:
    """
    With two workers, the page lists the queries of both, each once, and counts the blocked ones; these are recognized without EDNS, from
    the packet cache and over TCP too.
    """
    path = browserPath()
    page, control = freePort("127.0.0.1"), tmp_path / "run" / "control.sock"
    words = ["--workers", "2", "--http", f"127.0.0.1:{page}", "--show-clients", "--block", "ads.example", "--control", str(control)]
    with (
        Upstream(otherwise="192.0.2.80") as upstream,
        Twistd(tmp_path, *words, "--upstream", upstream.label, "--client-rate", "0") as server,
        Browsing(commandOf(path, tmp_path)) as browsing,
    ):
        channel = ControlChannel(str(control))
        wait(lambda: channel.ask("GET", "stats")["processes"] == 2, server)
        browsing.screen(1280)
        browsing.open(f"http://127.0.0.1:{page}/", "document.body?.dataset.drawn == 'yes' && document.body.dataset.live == 'yes'")
        assert browsing.value("document.getElementById('blockedTile').hidden") is False
        browsing.value("document.getElementById('values').open = true")
        # The history begins with the first full second.
        browsing.wait("document.querySelectorAll('#values tbody tr').length > 0")
        for number in range(_QUERIES):
            for name, rcode in (("ads.example", 3), ("www.example", 0)):
                assert exchange(server.port, name, stream=number % 5 == 4).flags & 15 == rcode
                # Cached answers less than a millisecond apart are sampled.
                time.sleep(0.005)
        browsing.wait(f"{_SHOWN % 'ads'} == '{_QUERIES} blocked'")
        browsing.wait(f"{_SHOWN % 'www'} == '{_QUERIES} cached,forwarded'")
        browsing.wait(f"{_SUM % 5} == {_QUERIES}")
        browsing.wait("document.querySelector('#charts path.withheld').getAttribute('d')")
        numbers = channel.ask("GET", "stats")["numbers"]
        assert isinstance(numbers, dict) and numbers["blocked"] == _QUERIES
        assert browsing.value("document.querySelector('#clients .client').textContent") == "127.0.0.1"
