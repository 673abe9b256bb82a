"""
Write what happened as a scenario, and play it again.
"""

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.testing.internet import Internet
from twisted_ext.testing.scenarios.player import Mismatch, Player
from twisted_ext.testing.scenarios.reading import parseScenario
from twisted_ext.testing.scenarios.resolver import recursiveResolver
from twisted_ext.testing.sources import questionOf


class ReplayTests(SynchronousTestCase):
    def setUp(self):
        internet = Internet(seed=4)
        internet.zone("example.org", "www A 192.0.2.80")
        resolver = internet.resolver()
        steps = []
        for name in ("www.example.org", "example.org"):
            result = internet.wait(resolver.query(name, "A"))
            steps.append((questionOf(name), result.answer))
        self.text = internet.recording("An address, and a name without one", steps, complete=True)

    def test_playedAgain(self):
        """
        The scenario has the replies of all servers, so another resolver gives the same answers without the internet.
        """
        Player(parseScenario(self.text), recursiveResolver).play()

    def test_changed(self):
        """
        A player whose scenario expects another answer says what was received.
        """
        expected, _, checked = self.text.partition("STEP 1 QUERY")
        changed = expected + "STEP 1 QUERY" + checked.replace("192.0.2.80", "192.0.2.81")
        error = self.assertRaises(Mismatch, Player(parseScenario(changed), recursiveResolver).play)
        self.assertIn("192.0.2.80", str(error))
