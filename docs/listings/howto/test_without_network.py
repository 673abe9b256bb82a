"""
Tests of code that only needs answers, without a network.
"""

from mailing import mailHosts
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names.error import DNSServerError
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.client import NamesResolver
from twisted_ext.errors import ServerFailed
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf


class MailHostsTests(SynchronousTestCase):
    def test_failure(self):
        """
        A failing server is not mistaken for a domain without mail.
        """
        source = CannedSource({("example.com", "MX"): ServerFailed("out of order")})
        looking = Deferred.fromCoroutine(mailHosts(NamesResolver(source, Clock()), "example.com"))
        self.failureResultOf(looking, DNSServerError)

    def test_cancelled(self):
        """
        Cancelling the caller cancels the look-up.
        """
        source = HeldSource()
        looking = Deferred.fromCoroutine(mailHosts(NamesResolver(source, Clock()), "example.com"))
        looking.cancel()
        self.failureResultOf(looking)
        self.assertEqual(source.cancelled, [questionOf("example.com", "MX")])

    def test_late(self):
        """
        A late answer is accepted.
        """
        source = HeldSource()
        looking = Deferred.fromCoroutine(mailHosts(NamesResolver(source, Clock()), "example.com"))
        self.assertNoResult(looking)
        source.release(answerOf(questionOf("example.com", "MX"), "10 mail.example.com."))
        self.assertEqual(self.successResultOf(looking), ["mail.example.com"])
