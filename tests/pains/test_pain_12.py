"""
Pain 12: no cancellation (Twisted #9748, #6644; cancel of the stock resolution raises NotImplementedError).
"""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from tests.networks import NetworkTestCase
from twisted_ext.client import bindingTargets, rewrittenTargets, serverTargets
from twisted_ext.compat.names import NamesResolver
from twisted_ext.endpoints import HostEndpoint, HTTPSEndpoint, SRVEndpoint
from twisted_ext.integrations.mail import MailResolver
from twisted_ext.resolver.forward.lookup import ForwardedLookup

_T = TypeVar("_T")


@implementer(IResolutionReceiver)
class Receiving:
    """
    Receive the addresses of a host.
    """

    def __init__(self) -> None:
        self.done = False

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        self.resolution = resolution

    def addressResolved(self, address: IAddress) -> None:
        pass

    def resolutionComplete(self) -> None:
        self.done = True


class CancellationTests(NetworkTestCase):
    """
    A caller who no longer needs the answer.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.canned.silent = True
        self.source = self.forward(self.server)
        self.resolver = NamesResolver(self.source, self.here)

    def cancel(self, asked: Deferred[_T]) -> None:
        """
        Cancel, and check that nothing is left.
        """
        self.network.advance(0.1)
        self.assertNotEqual(self.here.pending(), [])
        asked.cancel()
        self.failureResultOf(asked)
        self.network.advance()
        self.assertEqual(self.here.pending(), [])

    def test_pain12_lookupsCanBeCanceled(self) -> None:
        """
        Look-ups of every kind can be canceled, over UDP and TCP, and leave nothing behind.
        """
        self.cancel(self.ask(self.source))
        self.cancel(self.resolver.lookupAddress("www.test.example"))
        self.cancel(self.resolver.getHostByName("www.test.example"))
        self.canned.silent = False
        self.canned.truncating = True
        self.canned.silentTo = "tcp"
        self.cancel(self.resolver.lookupMailExchange("www.test.example"))

    def test_pain12_hostResolutionCanBeCanceled(self) -> None:
        """
        The resolution of a host can be canceled, which Twisted's own cannot.
        """
        receiving = Receiving()
        resolution = self.resolver.resolveHostName(receiving, "www.test.example")
        self.network.advance(0.1)
        self.assertNotEqual(self.here.pending(), [])
        resolution.cancel()
        self.network.advance()
        self.assertEqual(self.here.pending(), [])

    def test_pain12_derivedLookupsCanBeCanceled(self) -> None:
        """
        Everything built on look-ups can be canceled: getaddrinfo, getnameinfo, services, mail exchanges, endpoints.
        """
        self.cancel(self.resolver.getaddrinfo("www.test.example", 80))
        self.cancel(self.resolver.getnameinfo(("192.0.2.80", 80)))
        self.cancel(serverTargets("_imap._tcp.test.example", resolver=self.resolver))
        self.cancel(bindingTargets("https", "www.test.example", resolver=self.resolver))
        self.cancel(rewrittenTargets("test.example", "chat", resolver=self.resolver))
        self.cancel(MailResolver(self.resolver).lookupMailExchange("test.example"))
        for endpoint in (
            HostEndpoint(self.here, "www.test.example", 80, resolver=self.resolver),
            SRVEndpoint(self.here, "_imap._tcp.test.example", resolver=self.resolver),
            HTTPSEndpoint(self.here, "www.test.example", resolver=self.resolver),
        ):
            self.cancel(endpoint.connect(Factory.forProtocol(Protocol)))

    def test_pain12_withoutCancellerSocketsStay(self) -> None:
        """
        Without our canceller, a canceled look-up leaves its socket and timer behind.
        """
        self.patch(ForwardedLookup, "cancel", lambda flight, deferred=None: None)
        asked = self.ask(self.source)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertNotEqual(self.here.pending(), [])
        for flight in list(self.source.waiting):
            assert isinstance(flight, ForwardedLookup)
            flight._over()
