"""
Small random zones of few names, in which aliases, DNAME records, wildcards and delegations meet in all ways that servers accept.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.peers import peer

__all__ = ["MadeUp", "madeUp"]

_LABELS: Final = ("a", "b", "*", "c")

#: Additional labels of one zone in five.
_STRANGE: Final = ("\\255", "\\032", "\\@", "\\*", "_")

_TYPES: Final = ("A", "A", "TXT", "NS", "NS", "CNAME", "CNAME", "DNAME", "DNAME", "AAAA", "MX", "SRV")

_FIXED: Final = {"A": "192.0.2.1", "AAAA": "2001:db8::1", "TXT": '"text"'}

#: The rdata before the name.
_BEFORE: Final = {"MX": "1 ", "SRV": "0 1 53 "}

_SIGNER: Final = f"12345 13 2 {'11' * 32}"


class MadeUp(NamedTuple):
    """
    A zone.

    @ivar names: the names to query: its own names, and some around them.
    """

    origin: str
    text: str
    names: list[str]


def _name(random: Random, labels: tuple[str, ...], known: list[str]) -> str:
    """
    @param known: names that others may be the same as, or lie below.
    """
    below = random.choice(known) if known and random.random() < 0.4 else ""
    return ".".join([*[random.choice(labels) for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3)))], below]).rstrip(".")


def _cased(random: Random, name: str) -> str:
    return name.upper() if random.random() < 0.2 else name


def _under(name: str, origin: str) -> str:
    return f"{name}.{origin}" if name else origin


def _records(random: Random, origin: str, labels: tuple[str, ...]) -> dict[str, dict[str, list[str]]]:
    """
    Return rdata by owner and type.
    """
    records: dict[str, dict[str, list[str]]] = {}
    for _ in range(random.randint(1, 10)):
        owner, rrType = _name(random, labels, [*records]), random.choice(_TYPES)
        here = records.get(owner, {})
        if "CNAME" in here or (rrType == "CNAME" and (here or not owner)):
            continue
        if rrType == "DNAME" and ("DNAME" in here or "NS" in here):
            continue
        if rrType == "NS" and ("DNAME" in here or owner.startswith("*")):
            continue
        target = _name(random, labels, [*records])
        rdata = _FIXED.get(rrType) or _BEFORE.get(rrType, "") + _cased(
            random, _under(target, "invalid." if random.random() < 0.2 else origin)
        )
        if rdata not in here.get(rrType, []):
            records.setdefault(owner, {}).setdefault(rrType, []).append(rdata)
        if rrType == "NS" and owner and random.random() < 0.3:
            records[owner]["DS"] = [_SIGNER]
    hiding = [owner for owner, here in records.items() if "DNAME" in here]
    return {
        owner: here
        for owner, here in records.items()
        if not any(owner != above and (not above or owner.endswith(f".{above}")) for above in hiding if owner)
    }


def madeUp(seed: int, count: int, folder: Path) -> list[MadeUp]:
    """
    Return up to so many zones. Those that NSD or BIND would not load are left out.

    @param folder: for the files that are checked.
    """
    random = Random(seed)
    zones = []
    file = folder / "made-up"
    for number in range(count):
        origin = f"z{number}.test."
        labels = (*_LABELS, random.choice(_STRANGE)) if random.random() < 0.2 else _LABELS
        records = _records(random, origin, labels)
        text = f"{origin} 300 IN SOA ns.invalid. mail.invalid. 1 600 600 600 600\n{origin} 300 IN NS ns.invalid.\n"
        names = {""}
        for owner, here in records.items():
            text += "".join(
                [
                    f"{_cased(random, _under(owner, origin))} 300 IN {rrType} {rdata}\n"
                    for rrType, rdatas in here.items()
                    for rdata in rdatas
                ]
            )
            names |= {owner, f"d.d.{owner}".removesuffix("."), owner.partition(".")[2]}
        names |= {f"{label}.{name}".removesuffix(".") for name in list(names) for label in (*labels, "d")}
        file.write_text(text)
        checks = (
            [str(peer("named-checkzone")), "-i", "none", "-k", "ignore", "-n", "ignore", "-q", origin, str(file)],
            [str(peer("nsd-checkzone")), origin, str(file)],
        )
        if all(not subprocess.run(check, capture_output=True).returncode for check in checks):
            zones.append(MadeUp(origin, text, [_under(name, origin) for name in sorted(names)]))
    return zones
