"""
Pain 11: lost or misleading errors: SERVFAIL turned into NXDOMAIN, timeouts that print as lists.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.internet.defer import TimeoutError
from twisted.internet.error import DNSLookupError
from twisted.names import error
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.compat import foreign
from twisted_ext.compat.conversion import errors as codes
from twisted_ext.compat.conversion.errors import LookupFailed
from twisted_ext.compat.foreign import NamesSource
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.errors import ServerFailed
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText

QUESTION = Question(nameFromText("www.example"), 1)


class ErrorTests(SynchronousTestCase):
    """
    A server that fails in every way, behind a resolver.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor()
        self.server = CannedServer({("www.example", "A"): "192.0.2.80"})
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)

    def failure(self, resolver: NamesResolver) -> LookupFailed:
        """
        Return the error of a look-up.
        """
        looking = resolver.lookupAddress("www.example")
        self.network.advance(6)
        raised = self.failureResultOf(looking).value
        assert isinstance(raised, LookupFailed)
        return raised

    def test_eachRcodeHasItsError(self) -> None:
        """
        Each rcode has its own error class, and only NXDOMAIN says that the name does not exist. All are DNSLookupErrors.
        """
        for rcode, kind in (
            (1, error.DNSFormatError),
            (2, error.DNSServerError),
            (3, error.DNSNameError),
            (4, error.DNSNotImplementedError),
            (5, error.DNSQueryRefusedError),
            (9, error.DNSUnknownError),
        ):
            self.server.rcode = rcode
            raised = self.failure(self.resolver)
            self.assertIsInstance(raised, kind)
            self.assertIsInstance(raised, DNSLookupError)
            self.assertEqual(isinstance(raised, error.DNSNameError), rcode == 3)
            self.assertEqual(raised.rcode, rcode)

    def test_wrongErrorWouldBeFound(self) -> None:
        """
        The test above fails if every error says that the name does not exist, as behind a server of twisted.names.
        """
        with patch.object(codes, "errorFor", lambda rcode: codes.DNSNameError):
            self.assertRaises(self.failureException, self.test_eachRcodeHasItsError)

    def test_errorNamesNameAndServer(self) -> None:
        """
        An error is one line with the name, the server and the number of attempts.
        """
        self.server.rcode = 2
        raised = self.failure(self.resolver)
        self.assertIn("www.example", str(raised))
        self.assertIn("192.0.2.53:53", str(raised))
        self.assertIn("SERVFAIL", str(raised))
        self.assertEqual(raised.server, "192.0.2.53:53")
        self.assertGreaterEqual(raised.attempts, 1)

    def test_timeoutIsASentence(self) -> None:
        """
        A timeout is a sentence, not a list of queries, and has both of the classes that callers catch.
        """
        self.server.silent = True
        raised = self.failure(self.resolver)
        self.assertIsInstance(raised, error.DNSQueryTimeoutError)
        self.assertIsInstance(raised, TimeoutError)
        self.assertNotIn("[", str(raised))
        self.assertIn("www.example", str(raised))

    def resultThroughSource(self) -> Answer | ServerFailed:
        """
        Return the result of a failing server when its resolver is a source for others.
        """
        self.server.rcode = 2
        asking = lookUp(NamesSource(self.resolver, self.here), QUESTION, QueryContext(self.here.seconds() + 5))
        self.network.advance(6)
        outcomes: list[Answer | ServerFailed] = []
        asking.addCallbacks(outcomes.append, lambda failure: outcomes.append(failure.value))
        return outcomes[0]

    def test_servfailPassesThroughResolvers(self) -> None:
        """
        SERVFAIL stays SERVFAIL through any number of resolvers. A resolver that takes each DomainError for a denial, as Twisted's server
        does, makes it NXDOMAIN.
        """
        outcome = self.resultThroughSource()
        assert isinstance(outcome, ServerFailed)
        self.assertEqual(outcome.rcode, 2)

        def asTwisted(raised: BaseException) -> Answer | None:
            return Answer(Outcome.NXDOMAIN, rcode=3) if isinstance(raised, error.DomainError) else None

        with patch.object(foreign, "denialFrom", asTwisted):
            denied = self.resultThroughSource()
        assert isinstance(denied, Answer)
        self.assertIs(denied.outcome, Outcome.NXDOMAIN)
