"""
Tests with a mail server that an attacker has deprived of TLS.
"""

from sending import send
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.mail.smtp import SMTPFactory
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.testing.internet import Fault, Internet

ZONE = f"""
@              MX    10 mail
mail           A     192.0.2.25
_25._tcp.mail  TLSA  3 1 1 {"ab" * 32}
"""


class SendingTests(SynchronousTestCase):
    def setUp(self):
        self.internet = Internet()
        self.internet.zone("example.com", ZONE)
        server = self.internet.network.reactor("192.0.2.25")
        server.listenTCP(25, SMTPFactory())

    def send(self):
        here = self.internet.reactor()
        resolver = self.internet.resolver(here)
        return self.internet.wait(Deferred.fromCoroutine(send(here, "a@example.net", "b@example.com", b"...", resolver)))

    def test_withoutTLS(self):
        """
        The TLSA record says that the server has TLS.
        """
        with self.assertRaisesRegex(ConnectError, "it does not offer STARTTLS, and nothing is sent to it without TLS"):
            self.send()

    def test_withoutRecord(self):
        """
        Nor does it help the attacker to suppress the record.
        """
        self.internet.inject(Fault.DENIES, "example.com", rrType="TLSA")
        with self.assertRaisesRegex(ConnectError, "_25._tcp.mail.example.com"):
            self.send()
