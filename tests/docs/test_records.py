"""
Tests of the page on records: it has each type, with the attributes of its payload, and a valid text.
"""

from __future__ import annotations

from typing import Final

from tests.docs.test_pages import rowsOf
from tests.wire.rdata.samples import SAMPLES
from twisted_ext import dns
from twisted_ext.compat.conversion.records import Record
from twisted_ext.compat.conversion.results import headersFrom
from twisted_ext.wire.codes import IN
from twisted_ext.wire.rdata.registry import declarationOf, rdataFromText
from twisted_ext.wire.rdata.unknown import Unknown
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import TYPE_NAMES, isMeta

__all__ = ["rows"]

#: The longest text on the page.
_WIDTH: Final = 60


def headerOf(number: int, text: str) -> dns.RRHeader:
    """
    Return a record as in the result of a look-up.
    """
    (header,) = headersFrom((RRSet(b"\1a\0", number, IN, 60, (rdataFromText(number, text),)),), False)
    return header


def rows() -> list[tuple[str, list[str], list[str], str]]:
    """
    Return type, attributes, computed attributes and text of each type with a declaration.
    """
    found: list[tuple[str, list[str], list[str], str]] = []
    for number, name in TYPE_NAMES.items():
        if isMeta(number) or declarationOf(number) is Unknown:
            continue
        text = SAMPLES[name][0]
        payload: object = headerOf(number, text).payload
        kind = type(payload)
        attributes = [each if isinstance(each, str) else each[0] for each in getattr(kind, "compareAttributes", ("data", "ttl"))]
        computed = [each for each, view in vars(kind).items() if isinstance(view, property)] if isinstance(payload, Record) else []
        shown = text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
        found.append((name, [each for each in attributes if each != "ttl"], computed, shown))
    return found


def test_tableIsThatOfTheRegistry() -> None:
    """
    The table is that of the registry.
    """
    told = [[cell.replace("``", "") for cell in row] for row in rowsOf("records.rst")[1:]]
    expected = [
        [name, ", ".join(attributes), ", ".join(computed) or "–", " ".join(text.split())] for name, attributes, computed, text in rows()
    ]
    assert told == expected


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
    for name, attributes, computed, _ in rows():
        payload: object = headerOf(dns.REV_TYPES[name], SAMPLES[name][0]).payload
        for attribute in (*attributes, *computed):
            assert hasattr(payload, attribute), (name, attribute)
