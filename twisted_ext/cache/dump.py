"""
Dumping a cache to a file and loading it: text with one JSON value per line, the first of which identifies the format.

A file is trusted no more than a reply: each line is checked, TTLs stay within the limits, and nothing from it counts as DNSSEC-validated. A
line that cannot be used is skipped and reported: one malformed record, from the server that sent it, must not cost all the others.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.cache.entries import Entry, nameOfKey, pack, packedBytes, unpack
from twisted_ext.cache.store import Store
from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.limits import CACHE_LINE, FILE_COMPLAINTS
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet

__all__ = ["FORMAT", "VERSION", "LoadResult", "dumpLines", "loadLines", "loading"]

#: The name of the format in the first line.
FORMAT: Final = "twisted_ext cache"

#: Incremented when older readers would misunderstand the format.
VERSION: Final = 1

#: The number of one-octet variants, and the one that is omitted (L{QueryContext<twisted_ext.answers.QueryContext>}).
_VARIANTS: Final = 64
_USUAL: Final = 17

#: Lines processed in one step.
_STEP: Final = 64

_SECTIONS: Final = ("answer", "authority", "additional")


def dumpLines(store: Store, now: float, today: float, view: str = "") -> Iterator[str]:
    """
    Return lines with line ends.

    @param now: the clock's seconds.
    @param today: seconds since 1970, which mean the same in another process and after a restart.
    @param view: the view of a server that has this cache of its own; C{""} for none.
    """
    yield _line({"format": FORMAT, "version": VERSION, "written": round(today, 3), **({"view": view} if view else {})})
    for key in store.keys():
        data = store.packed(key)
        if data is None:
            continue
        entry = unpack(key, data, store.servers)
        if now >= entry.expires + store.keepStale:
            continue
        yield _line(_described(key, entry, now))


def _line(value: dict[str, object]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _described(key: bytes, entry: Entry, now: float) -> dict[str, object]:
    name = nameOfKey(key)
    kept = entry.kept
    described: dict[str, object] = {
        "name": nameToText(name),
        "type": int.from_bytes(key[len(name) : len(name) + 2], "big"),
        "variant": key[len(name) + 4 :].hex(),
        "age": round(max(now - entry.learned, 0), 3),
        "outcome": kept.outcome.value,
        "flags": kept.flags,
    }
    if kept.origin is not None and kept.origin.server:
        described["server"] = kept.origin.server
    if kept.ede:
        described["ede"] = [[code, text] for code, text in kept.ede]
    for label, sets in zip(_SECTIONS, (kept.answer, kept.authority, kept.additional), strict=True):
        if sets:
            described[label] = [[nameToText(s.name), s.ttl, s.rrType, [rdata.hex() for rdata in s.rdatas]] for s in sets]
    return described


class _Wrong(Exception):
    """
    An error in a line.
    """


@dataclass(slots=True)
class LoadResult:
    """
    The result of loading a file.

    @ivar answers: how many were loaded; expired ones are not.
    @ivar skipped: how many lines could not be used.
    @ivar complaints: the number of each such line and its error, as many as L{FILE_COMPLAINTS} allows.
    """

    answers: int = 0
    skipped: int = 0
    complaints: list[str] = field(default_factory=list)

    def skip(self, number: int, reason: object) -> None:
        self.skipped += 1
        if self.skipped <= FILE_COMPLAINTS.default:
            self.complaints.append(f"line {number}: {reason}")


def loadLines(store: Store, lines: Iterable[str], now: float, today: float, source: str) -> LoadResult:
    """
    Load what L{dumpLines} wrote, skipping lines that cannot be used.

    @param source: the name of the file, for errors.

    @raise CallerFault: the first line is not that of a cache file; names the source and the error.
    """
    steps = loading({"": store}, lines, now, today, source)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            loaded: LoadResult = done.value
            return loaded


def loading(
    stores: Mapping[str, Store], lines: Iterable[str], now: float, today: float, source: str
) -> Generator[None, None, LoadResult]:
    """
    Do the work of L{loadLines} in steps of a few milliseconds, so that a server can keep serving.

    @param stores: the caches of views that have one of their own, and as C{""} that of all others. What one view was told, no other one
        may get.
    """
    store: Store | None = None
    loaded = LoadResult()
    taken: list[tuple[bytes, bytes]] = []
    octets = number = 0
    elapsed: float | None = None
    longest = int(CACHE_LINE.default)
    for number, line in enumerate(lines, 1):
        try:
            if len(line) > longest:
                raise _Wrong(f"more than {longest} characters")
            if not line.endswith("\n"):
                raise _Wrong("the line is cut off: it does not end")
            value = _parsed(line)
            if elapsed is None:
                elapsed, store = _elapsed(value, today), _storeFor(value, stores)
                continue
            assert store is not None
            found = _read(store, value, elapsed, now)
        except _Wrong as wrong:
            if elapsed is None:
                raise CallerFault(f"{source}, line {number}: {wrong}") from None
            loaded.skip(number, wrong)
            found = None
        if found is not None:
            octets += packedBytes(*found)
            # Lines that do not fit are still parsed, to report their errors.
            if store is not None and octets < store.mostBytes:
                taken.append(found)
        if not number % _STEP:
            yield
    if elapsed is None or store is None:
        raise CallerFault(f"{source}, line 1: empty; a cache file begins with a line that says so")
    for number, (key, data) in enumerate(taken, 1):
        if store.packed(key) is None:
            store.restore(key, data)
        if not number % _STEP:
            yield
    loaded.answers = len(taken)
    return loaded


def _parsed(line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise _Wrong("a JSON object is needed")
    return value


def _elapsed(value: dict[str, object], today: float) -> float:
    """
    Return seconds since the file was written, as far as that can be determined.
    """
    if value.get("format") != FORMAT:
        raise _Wrong(f'no cache file: the first line needs "format": "{FORMAT}"')
    if value.get("version") != VERSION:
        raise _Wrong(f"version {value.get('version')!r} cannot be read, only {VERSION}")
    return max(today - _number(value, "written", 1e12), 0.0)


def _storeFor(value: dict[str, object], stores: Mapping[str, Store]) -> Store:
    view = value.get("view", "")
    found = stores.get(view) if isinstance(view, str) else None
    if found is None:
        raise _Wrong(f"this is the cache of view {view!r}, and there is no such view with a cache of its own")
    return found


def _number(value: dict[str, object], label: str, most: float) -> float:
    number = value.get(label)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= most:
        raise _Wrong(f'"{label}" needs a number from 0 to {most:.0f}')
    return number


def _whole(number: object, label: str, most: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
        raise _Wrong(f'"{label}" needs a whole number from 0 to {most}')
    return number


def _name(text: object, label: str) -> bytes:
    if not isinstance(text, str) or not text.isascii() or not text.endswith("."):
        raise _Wrong(f'"{label}" needs a name that ends with a dot')
    try:
        return nameFromText(text)
    except DNSFault as fault:
        raise _Wrong(f'"{label}": {fault}') from None


def _octets(text: object, label: str, most: int) -> bytes:
    try:
        if not isinstance(text, str):
            raise TypeError
        octets = bytes.fromhex(text)
    except (TypeError, ValueError):
        raise _Wrong(f'"{label}" needs octets in hexadecimal') from None
    if len(octets) > most:
        raise _Wrong(f'"{label}" has more than {most} octets')
    return octets


def _read(store: Store, value: dict[str, object], elapsed: float, now: float) -> tuple[bytes, bytes] | None:
    """
    Return key and packed answer, or L{None} for one that has expired or would not be cacheable if it came from a server.
    """
    name = _name(value.get("name"), "name")
    rrType = _whole(value.get("type"), "type", 0xFFFF)
    variant = _octets(value.get("variant", ""), "variant", 1)
    if variant and (variant[0] >= _VARIANTS or variant[0] == _USUAL):
        raise _Wrong(f'"variant" {variant.hex()} stands for no wishes')
    age = _number(value, "age", 1e9) + elapsed
    try:
        outcome = Outcome(value.get("outcome"))
    except ValueError:
        raise _Wrong(f'"outcome" is one of {", ".join([each.value for each in Outcome])}') from None
    sections = (_sets(value, "answer"), _sets(value, "authority"), _sets(value, "additional"))
    ede = value.get("ede", [])
    if not isinstance(ede, list) or not all(_isEDE(each) for each in ede):
        raise _Wrong('"ede" needs pairs of code and text')
    server = value.get("server", "")
    if not isinstance(server, str):
        raise _Wrong('"server" needs a text')
    if not rrType and (outcome is not Outcome.NXDOMAIN or sections[0]):
        raise _Wrong('"type" 0 stands for names that do not exist')
    flags = _whole(value.get("flags", 0), "flags", 0xFFFF)
    answer = Answer(
        outcome,
        *sections,
        rcode=3 if outcome is Outcome.NXDOMAIN else 0,
        flags=flags,
        ede=tuple([(code, text) for code, text in ede]),
        origin=Origin("cache", server),
    )
    # Any type will do for the lifetime of a denial of all types.
    question = Question(name, rrType or 1)
    seconds, kept = store.lifetimes.keeping(question, answer)
    if not seconds or age >= seconds + store.keepStale:
        return None
    key = name.lower() + rrType.to_bytes(2, "big") + b"\x00\x01" + variant
    return key, pack(key, answer, kept, now - age, seconds, store.servers)


def _isEDE(each: object) -> bool:
    return isinstance(each, list) and len(each) == 2 and type(each[0]) is int and 0 <= each[0] <= 0xFFFF and isinstance(each[1], str)


def _sets(value: dict[str, object], label: str) -> tuple[RRSet, ...]:
    listed = value.get(label, [])
    if not isinstance(listed, list):
        raise _Wrong(f'"{label}" needs a list')
    sets: list[RRSet] = []
    for each in listed:
        if not isinstance(each, list) or len(each) != 4 or not isinstance(each[3], list) or not each[3]:
            raise _Wrong(f'"{label}" needs sets of name, TTL, type and a list of rdata')
        name = _name(each[0], label)
        ttl = _whole(each[1], f"{label}: TTL", 0x7FFFFFFF)
        rrType = _whole(each[2], f"{label}: type", 0xFFFF)
        sets.append(RRSet(name, rrType, 1, ttl, tuple([_rdata(rrType, each, label) for each in each[3]])))
    return tuple(sets)


def _rdata(rrType: int, text: object, label: str) -> bytes:
    from twisted_ext.wire.rdata.registry import rdataFromWire

    rdata = _octets(text, label, 0xFFFF)
    try:
        rdataFromWire(rrType, rdata)
    except DNSFault as fault:
        raise _Wrong(f'"{label}": rdata {rdata[:16].hex()} is not of type {rrType}: {fault}') from None
    return rdata
