"""
Tests of what is generated from the record types: the table of the page on records, and the modules for type checkers.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from tests.test_architecture import ROOT
from tests.wire.rdata.samples import SAMPLES
from twisted_ext import dns
from twisted_ext.compat.conversion.records import Record
from twisted_ext.compat.conversion.results import headersFrom
from twisted_ext.wire.codes import IN
from twisted_ext.wire.rdata.fieldtypes import Unknown
from twisted_ext.wire.rdata.registry import declarationOf, rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import TYPE_NAMES, isMeta

__all__: list[str] = []

_SCRIPT: Final = runpy.run_path(str(ROOT / "docs" / "recordtypes.py"))

_rows: Final = cast("Callable[[], list[tuple[str, list[str], list[str], str]]]", _SCRIPT["rows"])


def headerOf(number: int, text: str) -> dns.RRHeader:
    """
    Return a record as in the result of a look-up.
    """
    (header,) = headersFrom((RRSet(b"\1a\0", number, IN, 60, (rdataFromText(number, text),)),), False)
    return header


def test_tableIsThatOfTheRegistry() -> None:
    """
    The table has each type that has a form, with its attributes.
    """
    named = [name for number, name in TYPE_NAMES.items() if not isMeta(number) and declarationOf(number) is not Unknown]
    assert [name for name, _, _, _ in _rows()] == named
    table = cast("Callable[[], str]", _SCRIPT["table"])()
    assert "   * - ``MX``\n     - ``preference``, ``name``\n     - –\n     - ``10 mail.example.``\n" in table
    assert "   * - ``CAA``\n     - ``flags``, ``tag``, ``value``\n     - ``critical``\n" in table


def test_checkersAreCurrent() -> None:
    """
    Type checkers know the names that there are, and no others: C{python docs/recordtypes.py} writes them.
    """
    for path, source in cast("dict[Path, Callable[[], str]]", _SCRIPT["MODULES"]).items():
        assert path.read_text("utf-8") == source()


def test_textOfEachRecordRoundTrips() -> None:
    """
    The text of each record, of Twisted's classes and of ours, is its source text.
    """
    for number, name in TYPE_NAMES.items():
        for text in SAMPLES.get(name, ()):
            if isMeta(number):
                continue
            header = headerOf(number, text)
            assert dns.textOf(header) == text, name
            payload: object = header.payload
            if isinstance(payload, Record):
                assert payload.text == dns.textOf(payload) == text


def test_listedAttributesExist() -> None:
    """
    Each attribute on the page can be read, computed ones too.
    """
    for name, attributes, computed, _ in _rows():
        payload: object = headerOf(dns.REV_TYPES[name], SAMPLES[name][0]).payload
        for attribute in (*attributes, *computed):
            assert hasattr(payload, attribute), (name, attribute)
