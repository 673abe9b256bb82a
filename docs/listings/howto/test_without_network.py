"""
Tests of something that only needs answers: no network at all.
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
        A server that fails is not taken for a domain without mail.
        """
        source = CannedSource({("example.com", "MX"): ServerFailed("out of order")})
        looking = Deferred.fromCoroutine(mailHosts(NamesResolver(source, Clock()), "example.com"))
        self.failureResultOf(looking, DNSServerError)

    def test_cancelled(self):
        """
        Who gives up takes the look-up along.
        """
        source = HeldSource()
        looking = Deferred.fromCoroutine(mailHosts(NamesResolver(source, Clock()), "example.com"))
        looking.cancel()
        self.failureResultOf(looking)
        self.assertEqual(source.cancelled, [questionOf("example.com", "MX")])

    def test_late(self):
        """
        An answer may take its time.
        """
        source = HeldSource()
        looking = Deferred.fromCoroutine(mailHosts(NamesResolver(source, Clock()), "example.com"))
        self.assertNoResult(looking)
        source.release(answerOf(questionOf("example.com", "MX"), "10 mail.example.com."))
        self.assertEqual(self.successResultOf(looking), ["mail.example.com"])
