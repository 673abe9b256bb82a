"""
Tests of L{twisted_ext.apps.serve}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.apps.serve import commandFor, reaches, told
from twisted_ext.apps.tap import Options
from twisted_ext.errors import TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.sources import CannedSource


class ServeTests(SynchronousTestCase):
    """
    Tests for what C{make serve} does before it becomes the server.
    """

    def reaches(self, source: IAnswerSource) -> bool:
        """
        @return: whether the internet is found behind this source.
        """
        return self.successResultOf(Deferred.fromCoroutine(reaches(source, MemoryNetwork().reactor("127.0.0.1"))))

    def test_reaches(self) -> None:
        """
        There is an internet where a name that everybody knows has an address.
        """
        self.assertTrue(self.reaches(CannedSource(otherwise="192.0.2.1")))
        self.assertTrue(self.reaches(CannedSource({("www.python.org", "A"): "192.0.2.1"}, now=True)))
        self.assertFalse(self.reaches(CannedSource(otherwise=TimedOut("nobody"))))
        self.assertFalse(self.reaches(CannedSource(otherwise=())))

    def test_told(self) -> None:
        """
        Two lines to type are printed, for names that will be answered; without an internet it is said that there is none.
        """
        for online, name in ((True, "www.python.org"), (False, "www.example.test")):
            text = told(online)
            self.assertIn(f"    dig @127.0.0.1 -p 5300 {name}\n    .venv/bin/txdns query {name} @127.0.0.1:5300\n", text)
            self.assertIn("http://127.0.0.1:5380/", text)
            self.assertEqual("knows the internet at the moment" in text, not online)

    def test_command(self) -> None:
        """
        What is run is a command line that C{twistd txdns} takes.
        """
        for online in (True, False):
            words = commandFor(online)
            options = Options()
            options.parseOptions(words[words.index("txdns") + 1 :])
            settings = options.settings()
            self.assertEqual((settings.interface, settings.port, settings.http), (("127.0.0.1",), 5300, "127.0.0.1:5380"))
            self.assertEqual(len(settings.local), 0 if online else 2)
