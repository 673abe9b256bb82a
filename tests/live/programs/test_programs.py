"""
The released Scrapy on our resolver: it finds hosts that only a server on this machine knows, and crawls them.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.listings import LISTINGS
from tests.live.asking import zoneOf
from tests.live.programs.pages import FOUR, SIX, pages
from tests.patience import PATIENCE
from tests.peers import LivePeer, nsd
from tests.test_architecture import ROOT

__all__: list[str] = []

pytest.importorskip("scrapy")

_DOMAIN: Final = "crawled.example"

#: Seconds for a look-up in tests that are not about time.
_UNHURRIED: Final = '        "DNS_TIMEOUT": 60,\n'

_LINE: Final = re.compile(r"http://([\w.]+):\d+/ at (\S+): ([\w.]+) (\S+)")


def _addresses(number: int) -> tuple[str, ...]:
    """
    Return the addresses of a host: IPv4, IPv6, or both.
    """
    four = FOUR[number % len(FOUR)]
    return ((four,), (SIX,), (four, SIX))[number % 3]


#: Each host and its addresses.
_HOSTS: Final = {f"h{number}.{_DOMAIN}": _addresses(number) for number in range(200)}

_ZONE: Final = zoneOf({"text": 'TXT "no address"', "alias": "CNAME h1"}) + "".join(
    f"{name}. {'AAAA' if ':' in address else 'A'} {address}\n" for name, addresses in _HOSTS.items() for address in addresses
)


@pytest.fixture(scope="module")
def server() -> Iterator[LivePeer]:
    """
    Start the server that knows the hosts.
    """
    with nsd({_DOMAIN: _ZONE}) as running:
        yield running


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    """
    Return the port of the web server at all their addresses.
    """
    with pages() as port:
        yield port


class _Crawl:
    """
    The results of a crawl.

    @ivar found: for each host the address that it was reached at, as reported by Scrapy and by the web server.
    @ivar failed: the kind of failure for each other host.
    """

    def __init__(self, printed: str) -> None:
        self.found: dict[str, tuple[str, str]] = {}
        self.failed: dict[str, str] = {}
        for line in printed.splitlines():
            whole = _LINE.fullmatch(line)
            if whole is None:
                url, _, kind = line.rpartition(": ")
                self.failed[url.split("/")[2].partition(":")[0]] = kind
            else:
                asked, address, told, reached = whole.groups()
                assert (asked, asked not in self.found) == (told, True), line
                self.found[asked] = address, reached


def _crawl(folder: Path, names: list[str], port: int, program: str, resolvConf: str = "") -> _Crawl:
    """
    Run a crawl.

    @param program: the text of the crawler.
    @param resolvConf: the resolv.conf of the machine.
    """
    (folder / "crawl.py").write_text(program)
    (folder / "resolv.conf").write_text(resolvConf)
    urls = [f"http://{name}:{port}/" for name in names]
    done = subprocess.run(
        [sys.executable, "-m", "tests.live.programs.elsewhere", "resolv.conf", "crawl.py", *urls],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return _Crawl(done.stdout)


def _program(described: str = "", more: str = "") -> str:
    """
    Return the program of the how-to with these changes.

    @param described: the description of the resolver, or an empty string for that of the machine.
    @param more: additional settings.
    """
    text = (LISTINGS / "howto" / "crawling.py").read_text("utf-8")
    changed, count = re.subn(r'( +"TXDNS_RESOLVER": ).*\n', rf'\1"{described}",\n{more}' if described else more, text)
    assert count == 1
    return changed


def test_crawlReachesAllHosts(server: LivePeer, web: int, tmp_path: Path) -> None:
    """
    A crawl of 200 hosts reaches each of them at one of its own addresses, over IPv4 and IPv6.
    """
    crawl = _crawl(tmp_path, [*_HOSTS], web, _program(f"cache:udp:127.0.0.1:{server.port}", _UNHURRIED))
    assert crawl.failed == {}
    assert crawl.found.keys() == _HOSTS.keys()
    wrong = {name: reached for name, reached in crawl.found.items() if reached[0] != reached[1] or reached[0] not in _HOSTS[name]}
    assert wrong == {}
    # Both families must be used.
    families = [":" in reached for reached, _ in crawl.found.values()]
    assert 60 < sum(families) < 140


@pytest.mark.parametrize("process", ["CrawlerProcess", "AsyncCrawlerProcess"])
def test_oneSettingUsesResolvConf(server: LivePeer, web: int, tmp_path: Path, process: str) -> None:
    """
    One line of Scrapy's settings makes it use the machine's C{resolv.conf}, search list included. Unknown hosts are reported as such.
    """
    resolvConf = f"nameserver 127.0.0.1:{server.port}\nsearch {_DOMAIN}\n"
    names = [f"h1.{_DOMAIN}", f"h3.{_DOMAIN}", f"alias.{_DOMAIN}", f"text.{_DOMAIN}", f"nothing.{_DOMAIN}", "h0.h4", "h6"]
    crawl = _crawl(tmp_path, names, web, _program("", _UNHURRIED).replace("CrawlerProcess", process), resolvConf)
    assert crawl.found == {
        names[0]: (SIX, SIX),
        names[1]: (FOUR[3], FOUR[3]),
        names[2]: (SIX, SIX),
        "h6": (FOUR[6], FOUR[6]),
    }
    assert crawl.failed == dict.fromkeys([names[3], names[4], "h0.h4"], "CannotResolveHostError")


def test_DNSTimeoutSparesOtherLookups(server: LivePeer, web: int, tmp_path: Path) -> None:
    """
    C{DNS_TIMEOUT} ends look-ups without an answer. No other look-up fails, even when more of them hang than Scrapy has threads and
    concurrent requests.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        deaf = f"udp:127.0.0.1:{silent.getsockname()[1]}"
        description = f"route:(udp:127.0.0.1:{server.port}):silent.example=({deaf})"
        more = '        "DNS_TIMEOUT": 5,\n        "CONCURRENT_REQUESTS": 12,\n        "REACTOR_THREADPOOL_MAXSIZE": 4,\n'
        there = [*_HOSTS][:24]
        lost = [f"n{number}.silent.example" for number in range(24)]
        names = [name for pair in zip(lost, there, strict=True) for name in pair]
        crawl = _crawl(tmp_path, names, web, _program(description, more))
        assert sorted(crawl.found) == sorted(there)
        assert crawl.failed == dict.fromkeys(lost, "CannotResolveHostError")
