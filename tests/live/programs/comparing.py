"""
Random names and addresses, and their results here and in the C library of this machine.

    python -m tests.live.programs.comparing SEED CALLS NAMES

prints a line of JSON for each difference, and finally the number of calls and of differences with a reason. It needs the machine of
L{tests.live.programs.lonely}.
"""

from __future__ import annotations

import json
import random
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore

from tests.live.programs.households import RECORDS
from twisted_ext.addrinfo.hints import AddressInfo, Port, SocketAddress
from twisted_ext.client import NamesResolver, createResolver

__all__ = ["Call", "addressCall", "nameCall"]

#: A host, a service, and family, kind, protocol and flags.
Call = tuple["str | bytes | None", Port, int, int, int, int]

#: Seconds: as long as the C library waits with the files of this machine, so that neither gives up first on a busy one.
_PATIENCE: Final = 30.0

_SERVED: Final = sorted({name for name, rrType in RECORDS if not name.endswith(".arpa")})
_FILED: Final = tuple(
    (
        "localhost ip6-localhost lonely.one.test lonely filed.test.example filed several.test severals six.test sixes four.test fours "
        "scoped.test wrong.test Indented.Test indented.test tabbed.test other.test Indented-alias.test indented-alias.test FOUR.test"
    ).split()
)
_FILED_LOWER: Final = frozenset([name.lower() for name in _FILED])
_SHORT: Final = tuple(
    (
        "under both late deep.er broken empty toplevel gone gone.test.example gone.test sub.gone.test sub.localhost host.invalid "
        "host.onion printer.local 1.2.3.4.5 999.1.1.1 1.2.3.256 ::zz 1:2 12345.6.x 0x7g xn--p1ai.test"
    ).split()
)
_LITERALS: Final = tuple(
    (
        "127.0.0.1|127.1|0x7f.1|0x7f000001|2130706433|017700000001|0|0.0.0.0|255.255.255.255|192.0.2.1|010.1.2.3|1.2.3.4 | 1.2.3.4|"
        "1.2.3.4.|4294967296|::1|::|2001:db8::1|2001:DB8:0:0::1|::ffff:192.0.2.9|::192.0.2.1|fe80::1|fe80::1%lo|fe80::1%1|fe80::1%9|fe80::1%nosuch|"
        "fe80::1%|2001:db8::1%1|2001:db8::1%lo|ff02::1%lo|::1%0|1::2::3|[::1]|192.0.2.1/24|::ffff:1.2.3|fe80::1%1x|*||0x|0x.1|08.1.1.1"
    ).split("|")
)
_ODD: Final[tuple[str | bytes | None, ...]] = (
    *("b\u00fccher B\u00dcCHER stra\u00dfe xn--bcher-kva _srv under_score bad!name \\065 " + "x" * 63 + " " + "x" * 64).split(),
    *"www.test.example \u3002 a\u3002b.test a..b .test.example . .. back\\.slash.test.example".split(),
    "a b.test.example",
    "tab\t.test.example",
    ".".join(["y" * 61] * 4),
    ".".join(["y" * 61] * 3) + ".yyyyyy",
    *b"b\xc3\xbccher.test.example www.test.example 127.0.0.1 a..b . \xff\xfe".split(),
    b"x" * 64 + b".test",
    b".".join([b"x" * 60] * 5),
    None,
    None,
    None,
)
_SERVICES: Final[tuple[Port, ...]] = (
    *(None, None, 80, 80, 443, 0, 65535, 65536, 70000, -1, 1 << 31, 1 << 40, "", " 80", "80 ", b"80", b"http", b"nosuch", "h\u00fctte"),
    *"80 0 http www domain discard sink tftp syslog shell cmd both many only sipper late nosuch HTTP * +80 -1 0x50".split(),
    *"65616 4294967376 2147483648 99999999999999999999999".split(),
    cast(int, 80.5),
)
_FLAGS: Final = (0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x400, 0x40, 0x100)
_KINDS: Final = (0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 99, 1 | 0x800)
_PROTOCOLS: Final = (0, 0, 0, 0, 6, 6, 17, 1, 33, 58, 132, 136, 255, 41)
_FAMILIES: Final = (0, 0, 0, 0, 2, 2, 10, 10, 1, 16, 99)


def addressCall(rng: random.Random) -> Call:
    """
    Return a random call of getaddrinfo.
    """
    group = rng.choices((_SERVED, _FILED, _SHORT, _LITERALS, _ODD), (40, 15, 15, 20, 10))[0]
    host = rng.choice(cast("tuple[str | bytes | None, ...]", group))
    if group is _ODD and isinstance(host, str) and "." not in host and "\u3002" not in host:
        host += ".test.example"
    if isinstance(host, str) and group in (_SERVED, _SHORT, _FILED):
        host += "." * (rng.random() < 0.1)
        host = host.upper() if rng.random() < 0.1 else host
    flags = 0
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        flags |= rng.choice(_FLAGS)
    if rng.random() < 0.02:
        flags |= rng.choice((0x800, 0x4000, 0x10000))
    plain = rng.random() < 0.6
    kind = rng.choice((0, 1)) if plain else rng.choice(_KINDS)
    protocol = 0 if plain else rng.choice(_PROTOCOLS)
    family = rng.choice((0, 2, 10)) if plain else rng.choice(_FAMILIES)
    service = rng.choice((80, "http", None)) if plain and rng.random() < 0.5 else rng.choice(_SERVICES)
    return host, service, family, kind, protocol, flags


#: Addresses, and a few invalid ones.
_ADDRESSES: Final = [
    *"127.0.0.1 127.0.1.1 127.0.0.9 10.20.30.5 10.20.30.6 10.20.30.9 10.20.30.10 10.20.30.11 0.0.0.0 1.2.3.4 127.1 ::1 :: x".split(),
    *"localhost 2001:db8:1::66 2001:db8:2::7 2001:db8::80 2001:db8::81 2001:db8::82 2001:db8::83 2001:db8::80%1".split(),
    *"ff02::1 fe80::7%nosuch fe80::7 fe80::7%lo fe80::7%1 fe80::8%lo fe80::8 ::ffff:192.0.2.80 ::ffff:10.20.30.5".split(),
    *"::ffff:192.0.2.79 ::192.0.2.80".split(),
    "",
]


def nameCall(rng: random.Random) -> tuple[SocketAddress, int]:
    """
    Return a random call of getnameinfo.
    """
    host = rng.choice([f"192.0.2.{rng.randrange(78, 96)}"] * 8 + _ADDRESSES)
    port = rng.choice((0, 1, 9, 21, 53, 69, 80, 443, 514, 5060, 5061, 7001, 7002, 7100, 7200, 65535, 65536, 99999, -1))
    sockaddr: tuple[object, ...] = (host, port)
    if ":" in host and rng.random() < 0.5:
        sockaddr += (rng.choice((0, 0, 1, 1 << 19, 1 << 21)),)
        if rng.random() < 0.7:
            sockaddr += (rng.choice((0, 1, 1, 9)),)
    elif rng.random() < 0.02:
        sockaddr = rng.choice(((host,), (host, "http"), (host, port, 0), (host, port, 0, 0, 0)))
    flags = 0
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        flags |= rng.choice((1, 2, 4, 8, 16))
    if rng.random() < 0.03:
        flags |= rng.choice((64, 256, 1024))
    return cast(SocketAddress, sockaddr), flags


def _printLine(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")


def _theirs(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except Exception as error:
        return error


def _asText(outcome: object) -> str:
    if isinstance(outcome, Exception):
        return f"{type(outcome).__name__}{outcome.args!r}"
    if isinstance(outcome, list):
        return repr([tuple(map(_plain, row)) for row in outcome])
    return repr(outcome)


def _plain(value: object) -> object:
    return int(value) if isinstance(value, int) else value


def _deduplicated(outcome: object) -> object:
    """
    Return the rows of the C library without duplicates.
    """
    if not isinstance(outcome, list):
        return outcome
    rows = cast("list[AddressInfo]", outcome)
    return list({(row[0], row[1], row[2], row[4]): row for row in reversed(rows)}.values())[::-1]


async def compare(resolver: NamesResolver, seed: int, calls: int, names: int) -> None:
    """
    Print the differences.
    """
    rng = random.Random(seed)
    counts: dict[str, int] = {}
    for _ in range(calls):
        call = addressCall(rng)
        host, port, family, kind, protocol, flags = call
        theirs = _theirs(partial(socket.getaddrinfo, *call))
        try:
            ours: object = await resolver.getaddrinfo(host, port, family=family, type=kind, proto=protocol, flags=flags, timeout=_PATIENCE)
        except Exception as error:
            ours = error
        _compare("getaddrinfo", call, ours, _deduplicated(theirs), counts)
    for _ in range(names):
        sockaddr, flags = nameCall(rng)
        theirs = _theirs(partial(socket.getnameinfo, sockaddr, flags))
        try:
            ours = await resolver.getnameinfo(sockaddr, flags, timeout=_PATIENCE)
        except Exception as error:
            ours = error
        _compare("getnameinfo", (sockaddr, flags), ours, theirs, counts)
    _printLine({"calls": calls, "names": names, "reasons": counts})


#: Codes of the C library of Linux: no such name, not known, failed, no address, no text in this locale.
_NONAME: Final = -2
_AGAIN: Final = -3
_FAIL: Final = -4
_NODATA: Final = -5
_ENCODE: Final = -105


def _reason(call: tuple[object, ...], ours: object, theirs: object) -> str:
    """
    Return the reason of a known difference, as the documentation has it, or an empty string.
    """
    host = call[0]
    mine = ours.errno if isinstance(ours, socket.gaierror) else 0
    their = theirs.errno if isinstance(theirs, socket.gaierror) else 0
    if mine in (_AGAIN, _FAIL) and their in (_NONAME, _NODATA) and isinstance(host, str) and _isBroken(host):
        return "unknown names"
    if their == _NONAME and not mine and isinstance(host, str) and host.endswith(".") and host[:-1].lower() in _FILED_LOWER:
        return "final dots"
    if their == _ENCODE and isinstance(host, bytes) and not host.isascii():
        return "non-ascii names in bytes"
    if isinstance(host, tuple) and str(host[0]).startswith("::ffff:10.20.30."):
        return "mapped addresses in files"
    return ""


def _isBroken(host: str) -> bool:
    """
    Return whether the server fails for this name, or for one that the search list makes of it.
    """
    names = [host.rstrip(".").lower() + domain for domain in ("", ".one.test", ".two.test")]
    return any(isinstance(RECORDS.get((name, rrType)), int) for name in names for rrType in ("A", "AAAA"))


def _compare(function: str, call: tuple[object, ...], ours: object, theirs: object, counts: dict[str, int]) -> None:
    one, other = _asText(ours), _asText(theirs)
    if one == other:
        return
    reason = _reason(call, ours, theirs)
    if reason:
        counts[reason] = counts.get(reason, 0) + 1
    else:
        _printLine({"function": function, "call": repr(call), "ours": one, "theirs": other})


def _main(seed: int, calls: int, names: int) -> None:
    from twisted.internet import reactor

    core = cast(IReactorCore, reactor)
    resolver = createResolver()

    def run() -> None:
        Deferred.fromCoroutine(compare(resolver, seed, calls, names)).addErrback(
            lambda failure: _printLine({"died": failure.getTraceback()})
        ).addCallback(lambda _: resolver.close()).addCallback(lambda _: core.stop())

    core.callWhenRunning(run)
    core.run()


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:4]))
