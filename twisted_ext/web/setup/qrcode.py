"""
QR codes of a server's settings, by the package segno.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from twisted_ext.errors import CallerFault

if TYPE_CHECKING:
    from segno import QRCode

__all__ = ["qrSVG", "qrText"]

#: Pixels of a module of the code in an image.
_SCALE = 6


def _made(text: str) -> QRCode:
    try:
        import segno
    except ImportError as error:
        raise CallerFault("a QR code needs segno, which is not installed: pip install 'twisted-ext[qr]'") from error
    return segno.make_qr(text)


def qrText(text: str) -> str:
    """
    Return a code as lines of block characters, for terminals.

    @raise CallerFault: segno is not installed.
    """
    out = StringIO()
    _made(text).terminal(out, compact=True)
    return out.getvalue()


def qrSVG(text: str) -> str:
    """
    Return a code as an SVG element, for pages.

    @raise CallerFault: segno is not installed.
    """
    return _made(text).svg_inline(scale=_SCALE, dark="#000", light="#fff")
