"""
The hosts that search engines offer for networks of children: in place of a host of the usual search, clients get the address of one that
leaves out what is for adults. Each engine says which these are, at the place in L{ENGINES}.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from twisted_ext.wire.names import nameFromText

__all__ = ["ENGINES", "Engine", "safeHosts"]

#: The domains with a search of Google's (https://www.google.com/supported_domains), without C{google.} before them.
_GOOGLE: Final = """
    com ad ae com.af com.ag al am co.ao com.ar as at com.au az ba com.bd be bf bg com.bh bi bj com.bn com.bo com.br bs bt co.bw by
    com.bz ca cat cd cf cg ch ci co.ck cl cm cn com.co co.cr com.cu cv com.cy cz de dj dk dm com.do dz com.ec ee com.eg es com.et fi
    com.fj fm fr ga ge gg com.gh com.gi gl gm gr com.gt gy com.hk hn hr ht hu co.id ie co.il im co.in iq is it je com.jm jo co.jp co.ke
    com.kh ki kg co.kr com.kw kz la com.lb li lk co.ls lt lu lv com.ly co.ma md me mg mk ml com.mm mn com.mt mu mv mw com.mx com.my
    co.mz com.na com.ng com.ni ne nl no com.np nr nu co.nz com.om com.pa com.pe com.pg com.ph com.pk pl pn com.pr ps pt com.py com.qa ro
    rs ru rw com.sa com.sb sc se com.sg sh si sk com.sl sm sn so sr st com.sv td tg co.th com.tj tl tm tn to com.tr tt com.tw co.tz
    com.ua co.ug co.uk com.uy co.uz com.vc co.ve co.vi com.vn vu ws co.za co.zm co.zw
""".split()

_YANDEX: Final = "az by co.il com com.am com.ge com.tr ee fr kg kz lt lv md pl ru tj tm ua uz".split()

_YOUTUBE: Final = ("www.youtube.com", "m.youtube.com", "youtubei.googleapis.com", "youtube.googleapis.com", "www.youtube-nocookie.com")


class Engine(NamedTuple):
    """
    A search engine.

    @ivar host: the host to use.
    @ivar names: the hosts in whose place it is used.
    @ivar source: where its operator says so.
    """

    host: str
    names: tuple[str, ...]
    source: str


#: Engines by the words that settings have for them.
ENGINES: Final = {
    "google": Engine(
        "forcesafesearch.google.com",
        tuple([f"www.google.{domain}" for domain in _GOOGLE]),
        "https://support.google.com/websearch/answer/186669",
    ),
    "bing": Engine("strict.bing.com", ("www.bing.com", "edgeservices.bing.com"), "https://support.microsoft.com/bing/safesearch"),
    "duckduckgo": Engine(
        "safe.duckduckgo.com",
        ("duckduckgo.com", "www.duckduckgo.com", "start.duckduckgo.com"),
        "https://duckduckgo.com/duckduckgo-help-pages/features/safe-search",
    ),
    "youtube": Engine("restrict.youtube.com", _YOUTUBE, "https://support.google.com/a/answer/6214622"),
    "youtube-moderate": Engine("restrictmoderate.youtube.com", _YOUTUBE, "https://support.google.com/a/answer/6214622"),
    "yandex": Engine(
        "familysearch.yandex.ru",
        ("ya.ru", *[f"{www}yandex.{domain}" for domain in _YANDEX for www in ("", "www.")]),
        "https://yandex.com/support/search/adult-filter.html",
    ),
    "brave": Engine("forcesafe.search.brave.com", ("search.brave.com",), "https://search.brave.com/help/safe-search"),
    "ecosia": Engine("strict-safe-search.ecosia.org", ("www.ecosia.org",), "https://support.ecosia.org"),
    "pixabay": Engine("safesearch.pixabay.com", ("pixabay.com", "www.pixabay.com"), "https://pixabay.com/service/faq"),
}


def safeHosts(engines: Iterable[str]) -> dict[bytes, bytes]:
    """
    Return the names of the usual hosts of some engines, folded, and what to use in their place. Of two engines with the same hosts the
    first one counts.
    """
    found: dict[bytes, bytes] = {}
    for engine in engines:
        host = nameFromText(ENGINES[engine].host)
        for name in ENGINES[engine].names:
            found.setdefault(nameFromText(name), host)
    return found
