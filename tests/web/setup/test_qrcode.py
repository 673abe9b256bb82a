"""
Tests of QR codes.
"""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest

from twisted_ext.errors import CallerFault
from twisted_ext.web.setup.qrcode import qrSVG, qrText

__all__: list[str] = []


def test_codes() -> None:
    """
    A code is a square of block characters, and an SVG element; other texts have other codes.
    """
    pytest.importorskip("segno")
    lines = qrText("dns.example").splitlines()
    assert len(set(map(len, lines))) == 1
    assert len(lines) * 2 - len(lines[0]) in (0, 1)
    assert set("".join(lines)) <= set(" █▀▄")
    assert qrText("dns.example") != qrText("dns2.example")
    assert ElementTree.fromstring(qrSVG("dns.example")).tag.endswith("svg")


def test_missingPackage(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without segno, the error names the extra that has it.
    """
    monkeypatch.setitem(sys.modules, "segno", None)
    for make in (qrText, qrSVG):
        with pytest.raises(CallerFault, match=r"pip install 'twisted-ext\[qr\]'"):
            make("dns.example")
