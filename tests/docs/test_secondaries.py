"""
Tests of the page on transfers: its settings act as it says.
"""

from __future__ import annotations

import re
import textwrap
import tomllib
from typing import Final

import pytest

from tests.test_architecture import ROOT
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.keys import Keys, TLSPeer
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.transferpolicy import Terms, termsOf
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.load.validate import checkZones

PAGE: Final = (ROOT / "docs" / "howto" / "secondaries.rst").read_text("utf-8")

KEYS: Final = Keys.fromTexts(["transfer.example.org:c2VjcmV0"])


def zones() -> list[ZoneSettings]:
    """
    Return the zones of the page, in order.
    """
    blocks = re.findall(r"\.\. code-block:: toml\n\n((?:   .*\n|\n)+)", PAGE)
    return [ZoneSettings.fromTable(tomllib.loads(textwrap.dedent(block))["zone"][0], "/etc/txdns") for block in blocks]


def test_primariesGrantAsDescribed() -> None:
    """
    In the clear, a key or a network is enough; over TLS, a key or a certificate.
    """
    clear, _, encrypted, _ = zones()
    (key,) = KEYS
    transfer = termsOf(clear, KEYS).transfer
    assert transfer.allows("192.0.2.1") and transfer.allows("198.51.100.1", key) and not transfer.allows("198.51.100.1")
    # The file of an authority is not there, so only the access list is read.
    values = {name: value for name, value in encrypted.values.items() if name != "notify"}
    terms = Terms(ZoneSettings(values), KEYS)
    assert terms.isEncrypted
    assert terms.transfer.allows("198.51.100.1", key, TLSPeer(True))
    assert terms.transfer.allows("198.51.100.1", b"", TLSPeer(True, ("ns2.example.net",), b"x"))
    assert not terms.transfer.allows("192.0.2.1", key)
    assert not terms.transfer.allows("192.0.2.1", b"", TLSPeer(True))


def test_certificatesNeedAuthorities() -> None:
    """
    Without C{client-ca}, the settings of the page are refused.
    """
    encrypted = zones()[2]
    with pytest.raises(BadDescription, match="key=transfer.example.org|client-ca|no TSIG key"):
        checkZones(Settings(), [encrypted])


def test_primaryOverTLSIsReadAsDescribed() -> None:
    """
    Paths in a primary's words start from the folder of the settings.
    """
    (text,) = zones()[3].primaries
    assert text == "tls://192.0.2.53#ns1.example.org ca=/etc/txdns/authority.pem certificate=/etc/txdns/ns2.pem"
