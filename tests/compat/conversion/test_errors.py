"""
Tests of L{twisted_ext.compat.conversion.errors}.
"""

from __future__ import annotations

import errno
import socket

from twisted.internet import defer
from twisted.internet.error import DNSLookupError
from twisted.names import error
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import SERVER, denied, nodata, question
from tests.typed import newConnectionTimeout, newTimeout
from twisted_ext.answers import Outcome, Security
from twisted_ext.compat.conversion import errors as codes
from twisted_ext.compat.conversion.errors import (
    DNSFormatError,
    LookupFailed,
    argumentError,
    denialFrom,
    errorFromAnswer,
    errorFromFault,
    faultFromError,
)
from twisted_ext.errors import (
    BadMessage,
    BadName,
    BadRecord,
    BudgetSpent,
    CallerFault,
    Closed,
    DNSFault,
    Refused,
    ServerFailed,
    TimedOut,
    TrustFault,
    Unknown,
    Unreachable,
    WrongType,
)


class OutwardTests(SynchronousTestCase):
    """
    Tests of the exceptions that callers of twisted.names get.
    """

    def test_rcodeOnlyFromReplies(self) -> None:
        """
        C{rcode} is that of the reply, and C{None} without one.
        """
        self.assertIsNone(errorFromFault(TimedOut("late")).rcode)
        self.assertEqual(errorFromFault(ServerFailed("x", rcode=2)).rcode, 2)

    def test_faultsBecomeTwistedExceptions(self) -> None:
        """
        Each fault becomes the matching Twisted exception and a DNSLookupError, with server, attempts, EDE and question.
        """
        for fault, kind in (
            (TimedOut("late"), error.DNSQueryTimeoutError),
            (TimedOut("late"), defer.TimeoutError),
            (ServerFailed("x", rcode=1), error.DNSFormatError),
            (ServerFailed("x", rcode=2), error.DNSServerError),
            (ServerFailed("x", rcode=4), error.DNSNotImplementedError),
            (ServerFailed("x", rcode=5), error.DNSQueryRefusedError),
            (ServerFailed("x", rcode=9), error.DNSUnknownError),
            (Unreachable("x"), error.DNSServerError),
            (BadMessage("x"), error.DNSServerError),
            (BudgetSpent("x"), error.DNSServerError),
            (TrustFault("x"), error.DNSServerError),
            (Refused("x"), error.DNSQueryRefusedError),
            (Unknown("x"), error.DomainError),
            (BadName("x"), error.DNSFormatError),
            (Closed("x"), error.ResolverError),
            (DNSFault("x"), error.DNSServerError),
        ):
            fault.server, fault.attempts, fault.ede = SERVER, 3, ((22, ""),)
            raised = errorFromFault(fault, question("a.example."))
            self.assertIsInstance(raised, kind)
            self.assertIsInstance(raised, DNSLookupError)
            self.assertIs(raised.__cause__, fault)
            rcode = None if isinstance(fault, TimedOut) else fault.rcode
            self.assertEqual((raised.server, raised.attempts, raised.ede, raised.rcode), (SERVER, 3, ((22, ""),), rcode))
            self.assertEqual(str(raised), f"a.example: {fault}")

    def test_denialBecomesDNSNameError(self) -> None:
        """
        NXDOMAIN becomes DNSNameError, with the SOA record that limits how long it is valid.
        """
        raised = errorFromAnswer(question("a.example."), denied())
        self.assertIsInstance(raised, error.DNSNameError)
        self.assertEqual(str(raised), f"a.example: there is no such name, says {SERVER}")
        self.assertEqual((raised.rcode, raised.attempts, raised.ede), (3, 2, ((15, "not here"),)))
        assert raised.answer is not None
        self.assertEqual(raised.answer.authority[0].rrType, 6)

    def test_failureIsNeverADenial(self) -> None:
        """
        No failure of a server becomes a DNSNameError.
        """
        for rcode in range(24):
            raised = errorFromFault(ServerFailed("x", rcode=rcode))
            self.assertNotIsInstance(raised, error.DNSNameError)
        answer = nodata()
        answer.rcode = 2
        self.assertIsInstance(errorFromAnswer(question("a."), answer), error.DNSServerError)

    def test_trustFaultIsBogus(self) -> None:
        """
        An answer that fails validation has the security state BOGUS.
        """
        error = errorFromFault(TrustFault("x"))
        assert isinstance(error, LookupFailed)
        self.assertIs(error.security, Security.BOGUS)

    def test_argumentErrorsAreNotLookupErrors(self) -> None:
        """
        Invalid arguments are errors of the program and not of a look-up. Text that is not a name is both, since it may come from outside.
        """
        for fault, kind in ((CallerFault("x"), ValueError), (WrongType("x"), TypeError), (BadRecord("x"), ValueError)):
            error = argumentError(fault)
            self.assertIsInstance(error, kind)
            self.assertNotIsInstance(error, LookupFailed)
            self.assertEqual((str(error), error.__cause__), ("x", fault))
        for also in (ValueError, DNSFormatError):
            self.assertIsInstance(argumentError(BadName("x")), also)

    def test_everyClassIsATwistedException(self) -> None:
        """
        Every class is a LookupFailed and one of Twisted's, needs no arguments, and prints as one line.
        """
        for name in codes.__all__:
            kind = getattr(codes, name)
            if isinstance(kind, type) and kind is not LookupFailed:
                raised = kind()
                self.assertIsInstance(raised, LookupFailed)
                self.assertTrue(any(base.__module__ == error.__name__ for base in kind.__mro__))
                self.assertEqual(str(raised), name)
                self.assertEqual(str(kind("why")), "why")


class InwardTests(SynchronousTestCase):
    """
    Tests of the exceptions that foreign resolvers raise.
    """

    def test_onlyNameErrorsAreDenials(self) -> None:
        """
        Only exceptions that mean "no such name" are denials.
        """
        for raised in (error.DNSNameError(), error.AuthoritativeDomainError("a"), codes.DNSNameError("x")):
            answer = denialFrom(raised)
            assert answer is not None
            self.assertIs(answer.outcome, Outcome.NXDOMAIN)
        known = denied()
        self.assertIs(denialFrom(codes.DNSNameError("x", answer=known)), known)
        for other in (
            error.DNSServerError(),
            error.DomainError(),
            codes.DNSServerError("x"),
            ValueError(),
            DNSLookupError(),
        ):
            self.assertIsNone(denialFrom(other))

    def test_otherExceptionsBecomeFaults(self) -> None:
        """
        Every other exception becomes a fault with the matching kind and rcode.
        """
        for raised, kind, rcode in (
            (error.DNSServerError(), ServerFailed, 2),
            (error.DNSFormatError(), ServerFailed, 1),
            (error.DNSNotImplementedError(), ServerFailed, 4),
            (error.DNSQueryRefusedError(), ServerFailed, 5),
            (error.DNSUnknownError(), ServerFailed, 2),
            (newTimeout(1), TimedOut, 2),
            (defer.TimeoutError(), TimedOut, 2),
            (newConnectionTimeout(), TimedOut, 2),
            (TimeoutError(), TimedOut, 2),
            (error.DomainError(), Unknown, 2),
            (NotImplementedError(), Unknown, 2),
            (DNSLookupError("x"), Unknown, 2),
            (error.ResolverError("x"), Refused, 5),
            (OSError(errno.EHOSTUNREACH, "no route"), Unreachable, 2),
            (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Unreachable, 2),
            (socket.gaierror(socket.EAI_AGAIN, "later"), Unreachable, 2),
        ):
            fault = faultFromError(raised, "theirs")
            self.assertIs(type(fault), kind, raised)
            self.assertEqual((fault.rcode, fault.server), (rcode, "theirs"), raised)
            self.assertIn("theirs", str(fault))

    def test_mistakesAreNotShown(self) -> None:
        """
        The text of an exception that is not about a look-up, or names a file, is in no fault: it may have secrets in it.
        """
        for raised in (KeyError("password=hunter2"), FileNotFoundError(errno.ENOENT, "missing", "/etc/hunter2"), ValueError("hunter2")):
            fault = faultFromError(raised, "theirs")
            self.assertIs(type(fault), ServerFailed)
            self.assertEqual((str(fault), fault.server, fault.rcode), ("internal error", "theirs", 2))

    def test_faultRoundTrips(self) -> None:
        """
        A fault that was converted to an exception converts back to the same object.
        """
        fault = TimedOut("late")
        self.assertIs(faultFromError(errorFromFault(fault)), fault)
        self.assertIs(faultFromError(fault), fault)
