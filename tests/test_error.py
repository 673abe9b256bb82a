"""
Tests of L{twisted_ext.error}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.names import error as theirs
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake, denied
from twisted_ext import client, dns, error
from twisted_ext.compat.conversion import errors as codes
from twisted_ext.errors import TimedOut


class MirrorTests(SynchronousTestCase):
    """
    Tests of the changed import C{from twisted_ext import client, dns, error}.
    """

    def test_everyClassIsTheSame(self) -> None:
        """
        Every name of twisted.names.error is the same class, and all look-up exceptions are available.
        """
        for name in theirs.__all__:
            self.assertIs(getattr(error, name), getattr(theirs, name))
        for name in codes.__all__:
            kind = getattr(codes, name)
            if isinstance(kind, type):
                self.assertTrue(issubclass(kind, getattr(error, name)), name)

    def test_lookupErrorsAreCaught(self) -> None:
        """
        Failed look-ups are caught by these names.
        """
        source = Fake(now=True)
        source.knows("no.example.", "A", denied())
        source.knows("late.example.", "A", TimedOut("late"))
        resolver = client.NamesResolver(source, Clock())
        self.failureResultOf(resolver.lookupAddress("no.example."), error.DNSNameError)
        self.failureResultOf(resolver.lookupAddress("late.example."), error.DNSQueryTimeoutError)
        self.failureResultOf(resolver.query(dns.Query("no.example.")), error.LookupFailed)
