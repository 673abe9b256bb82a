"""
Write what follows from the record types of C{twisted_ext.wire.rrtypes} and cannot be made when it is needed.

    python docs/recordtypes.py [FILE]

Without FILE these are the modules that tell type checkers which names C{twisted_ext.client} and C{twisted_ext.dns} have; run it after a
type was added. C{tests/docs/test_records.py} compares them with the types. With FILE it is the table of the page on records, which
C{make docs} asks for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from twisted.names import dns as names

from tests.wire.rdata.samples import SAMPLES
from twisted_ext.compat.conversion.records import Record, recordOf
from twisted_ext.compat.conversion.results import headersFrom
from twisted_ext.compat.lookupmethods import LOOKUP_NAMES, lookupName
from twisted_ext.wire.codes import IN
from twisted_ext.wire.rdata.fieldtypes import Unknown
from twisted_ext.wire.rdata.registry import declarationOf, rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import TYPE_NUMBERS, isMeta

COMPAT: Final = Path(__file__).parent.parent / "twisted_ext" / "compat"

#: Names of twisted.names.dns that C{twisted_ext.dns} replaces.
REPLACED: Final = {"DNSDatagramProtocol", "DNSMixin", "DNSProtocol", "Message", "QUERY_TYPES", "REV_TYPES"}

#: What twisted.names.dns has and programs use, though it does not list them.
UNLISTED: Final = {"domainString", "randomSource", "readPrecisely", "str2time"}

#: Characters of a text that the table shows.
WIDTH: Final = 60


def _place(name: str) -> tuple[bool, bool, str]:
    """
    @return: what to sort imports by: constants, classes, functions.
    """
    return not name.isupper(), name[0].islower(), name.lower()


def dnsNames() -> str:
    """
    @return: the source of C{_dnsnames}.
    """
    lines = ['"""', "Names of L{twisted_ext.dns} for type checkers. Written by C{docs/recordtypes.py}: do not edit.", '"""', ""]
    lines += ["from __future__ import annotations", ""]
    twisted = {*names.__all__, *UNLISTED} - REPLACED - {name.replace("-", "_") for name in TYPE_NUMBERS}
    lines += [f"from twisted.names.dns import {name} as {name}" for name in sorted(twisted, key=_place)]
    lines += ["", "from twisted_ext.compat.conversion.records import Record", ""]
    kinds = [recordOf(number) for number in TYPE_NUMBERS.values() if not isMeta(number)]
    lines += [f"{kind.__name__}: type[Record]" for kind in kinds if kind is not None and kind.__name__ not in twisted]
    return "\n".join(lines) + "\n"


def lookupNames() -> str:
    """
    @return: the source of C{_lookupnames}.
    """
    found: list[str] = []
    for mnemonic, number in TYPE_NUMBERS.items():
        if number in LOOKUP_NAMES:
            found += dict.fromkeys([LOOKUP_NAMES[number], lookupName(mnemonic)])
    lines = ['"""', "Look-ups by type for type checkers. Written by C{docs/recordtypes.py}: do not edit.", '"""', ""]
    lines += ["from __future__ import annotations", "", "from twisted_ext.compat.lookupmethods import Lookup", ""]
    lines += [f"{name}: Lookup" for name in found]
    lines += ["", "", "class _Methods:", *[f"    {name}: Lookup" for name in found]]
    return "\n".join(lines) + "\n"


MODULES: Final = {COMPAT / "_dnsnames.pyi": dnsNames, COMPAT / "_lookupnames.pyi": lookupNames}


def payloadOf(number: int, text: str) -> object:
    """
    @return: the payload of a record as a look-up gives it.
    """
    (header,) = headersFrom((RRSet(b"\1a\0", number, IN, 60, (rdataFromText(number, text),)),), False)
    return header.payload


def rows() -> list[tuple[str, list[str], list[str], str]]:
    """
    @return: type, attributes, computed attributes and a text of each type that has a form.
    """
    found: list[tuple[str, list[str], list[str], str]] = []
    for name, number in TYPE_NUMBERS.items():
        if isMeta(number) or declarationOf(number) is Unknown or name not in SAMPLES:
            continue
        text = SAMPLES[name][0]
        payload = payloadOf(number, text)
        kind = type(payload)
        attributes = [each if isinstance(each, str) else each[0] for each in getattr(kind, "compareAttributes", ("data", "ttl"))]
        computed = [each for each, view in vars(kind).items() if isinstance(view, property)] if isinstance(payload, Record) else []
        shown = text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
        found.append((name, [each for each in attributes if each != "ttl"], computed, shown))
    return found


def table() -> str:
    """
    @return: the table of the page on records.
    """
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 12 30 30 28", ""]
    lines += ["   * - type", "     - attributes", "     - computed", "     - a text"]
    for name, attributes, computed, text in rows():
        lines += [f"   * - ``{name}``", f"     - {', '.join([f'``{each}``' for each in attributes])}"]
        lines += [f"     - {', '.join([f'``{each}``' for each in computed]) or '–'}", f"     - ``{text}``"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(table(), "utf-8")
    else:
        for path, source in MODULES.items():
            path.write_text(source(), "utf-8")
