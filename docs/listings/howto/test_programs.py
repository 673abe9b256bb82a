"""
Tests in an internet of their own.
"""

from programs import fetch, nextHops
from twisted.internet.defer import Deferred
from twisted.names.error import DNSNameError, DNSServerError
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from twisted_ext.answers import Security
from twisted_ext.testing.internet import DAY, Fault, Internet, KeyPlan, Roll


class MailTests(SynchronousTestCase):
    def setUp(self):
        self.internet = Internet(seed=1)
        self.internet.zone("example.org", "@ MX 10 mail\nmail A 192.0.2.25\n@ A 192.0.2.80")
        self.resolver = self.internet.resolver()

    def hops(self, domain):
        return self.internet.wait(Deferred.fromCoroutine(nextHops(domain, self.resolver)))

    def test_mailExchangers(self):
        """
        Mail goes to the hosts of the MX records, and is returned if there is no such domain.
        """
        self.assertEqual(self.hops("example.org"), ["mail.example.org"])
        self.assertRaises(DNSNameError, self.hops, "nosuch.example.org")

    def test_bogusMX(self):
        """
        If the MX records are bogus, mail stays in the queue. In particular, it does not go to the address of the domain.
        """
        self.internet.inject(Fault.EXPIRED, "example.org", rrType="MX")
        self.assertEqual(self.hops("example.org"), [])
        self.internet.clear(Fault.EXPIRED)
        self.internet.advance(3600)
        self.assertEqual(self.hops("example.org"), ["mail.example.org"])


class RolloverTests(SynchronousTestCase):
    #: The root's key is replaced after 60 days, and its successor published 45 days before.
    PLAN = KeyPlan(kskLifetime=60 * DAY, roll=Roll.TRUST_ANCHOR, lead=45 * DAY, grace=10 * DAY, hold=10 * DAY)

    def internet(self):
        internet = Internet(seed=2)
        internet.zone(".", signed=self.PLAN)
        internet.zone("example.org", "www 300 A 192.0.2.80")
        return internet

    def daysUntilFailure(self, internet, resolver):
        for day in range(70):
            try:
                result = internet.wait(resolver.lookupAddress("www.example.org"))
            except DNSServerError:
                return day
            self.assertIs(result.security, Security.SECURE)
            internet.advance(DAY)
        return None

    def test_rootKeyRolls(self):
        """
        A client that has both keys of the root goes on while the key is replaced.
        """
        later = self.internet()
        later.advance(61 * DAY)
        internet = self.internet()
        self.assertNotEqual(internet.anchors, later.anchors)
        resolver = internet.resolver(anchors=internet.anchors + later.anchors)
        self.assertIsNone(self.daysUntilFailure(internet, resolver))

    def test_oldKeyAlone(self):
        """
        A client that has only the old key fails when the new one is used, as soon as what it has verified expires.
        """
        internet = self.internet()
        self.assertEqual(self.daysUntilFailure(internet, internet.resolver()), 60)


class FetchTests(SynchronousTestCase):
    def test_everyFirstServerIsDead(self):
        """
        A page is fetched in less than three seconds even if the first server of each zone is dead.
        """
        internet = Internet(seed=3)
        internet.zone("example.org", "www A 192.0.2.80")
        page = Resource()
        page.putChild(b"", Data(b"hello", "text/plain"))
        internet.reactor("192.0.2.80").listenTCP(80, Site(page))
        for zone in internet.zones.values():
            internet.inject(Fault.DEAD, zone.servers[0].addresses[0])
        client = internet.reactor()
        self.addCleanup(internet.resolver(client).install(client))
        began = internet.time()
        fetching = Deferred.fromCoroutine(fetch(Agent(client), b"http://www.example.org/"))
        self.assertEqual(internet.wait(fetching), b"hello")
        self.assertLess(internet.time() - began, 3)
