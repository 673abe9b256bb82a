"""
Tests of pins and names of certificates.
"""

from __future__ import annotations

from base64 import b64encode

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from tests.transport.tlsservers import keyOf, leaf, signedBy
from twisted_ext.errors import BadDescription
from twisted_ext.limits import TLS_PINS
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSTerms, namesOf, pinFromText, pinOf, pinToText


class PinTests(SynchronousTestCase):
    """
    Tests of pins.
    """

    def test_textAndBack(self) -> None:
        """
        A pin is written in base64, and read with or without the name of the digest.
        """
        pin = bytes(range(32))
        self.assertEqual(pinToText(pin), b64encode(pin).decode())
        for text in (pinToText(pin), f"sha256/{pinToText(pin)}", f" {pinToText(pin)} "):
            self.assertEqual(pinFromText(text), pin)

    def test_wrongPins(self) -> None:
        """
        Other digests and other texts are errors of one line.
        """
        for text in ("", "x", "sha1/" + "A" * 27 + "=", "A" * 43, "A" * 44, "\u00e9" * 44, pinToText(bytes(31)), pinToText(bytes(33))):
            self.assertIn("44 characters", str(self.assertRaises(BadDescription, pinFromText, text)))

    def test_pinIsThatOfTheKey(self) -> None:
        """
        Certificates with the same key have the same pin.
        """
        first, second = signedBy("a", keyOf("a"), "dns.example"), signedBy("b", keyOf("b"), "other.example")
        self.assertEqual(pinOf(first), pinOf(second))
        self.assertNotEqual(pinOf(first), pinOf(signedBy("a", keyOf("a"), "dns.example", key=keyOf("a"))))

    def test_number(self) -> None:
        """
        The number of pins is limited.
        """
        most = int(TLS_PINS.default)
        TLSTerms(pins=[bytes([number]) * 32 for number in range(most)])
        fault = self.assertRaises(BadDescription, TLSTerms, pins=[bytes([number]) * 32 for number in range(most + 1)])
        self.assertEqual(str(fault), "65 pins and hashes; 64 are the most")


class NameTests(SynchronousTestCase):
    """
    Tests of names.
    """

    def test_namesOfCertificates(self) -> None:
        """
        Of a certificate with many names, the first four are shown.
        """
        names = [f"h{number}.example" for number in range(9)]
        certificate = x509.load_pem_x509_certificate(leaf(*names))
        self.assertEqual(namesOf(certificate), "'h0.example', 'h1.example', 'h2.example', 'h3.example' and 5 more")

    def test_spellings(self) -> None:
        """
        Names are compared in lower case, in ASCII and without a final dot, and addresses in their shortest form.
        """
        for text, name in (
            ("DNS.Example.", "dns.example"),
            ("b\u00fccher.example", "xn--bcher-kva.example"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("192.0.2.53", "192.0.2.53"),
        ):
            self.assertEqual(TLSTerms(text).name, name)
        self.assertEqual(TLSTerms().nameFor(Server("fe80::1%1")), "fe80::1")

    def test_wrongNames(self) -> None:
        """
        What is not a host name is an error of one line.
        """
        for text in (".", "a..b", "a b", "a/b", "*.example", "a" * 64 + ".example", "dns.example:853"):
            self.assertIn("is not a valid name of a server", str(self.assertRaises(BadDescription, TLSTerms, text)))
