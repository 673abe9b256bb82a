"""
Recursive resolvers for tests, each in a simulated internet.
"""

from __future__ import annotations

from twisted_ext.answers import Answer, QueryContext, Trace
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.recursion.delegations import Delegation
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.recursive.encrypted import EncryptedAuthorities
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.resolver.recursive.source import recursiveStack
from twisted_ext.testing.internet import Exchange, Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.rdata.text import recordFromText

__all__ = ["Stack", "rootOf", "validatorOf"]


def rootOf(internet: Internet) -> Delegation:
    """
    Return the servers of the root.
    """
    return rootFromText(internet.hints, "hints")


def validatorOf(internet: Internet) -> Validator:
    """
    Return a validator that trusts the present keys of the root.
    """
    digests = tuple([recordFromText(line).rdatas[0] for line in internet.anchors.splitlines()])
    anchors = ZoneAnchors(ROOT, digests, ())
    return Validator(lambda name, now: anchors)


class Stack:
    """
    A resolver in an internet.

    @ivar pool: the servers that it has met.
    @ivar source: the resolver.
    """

    def __init__(
        self,
        internet: Internet,
        *,
        validate: bool = True,
        cookies: bool = False,
        mixCase: bool = False,
        opportunistic: bool = False,
        state: str = "",
    ) -> None:
        self.internet = internet
        self.reactor = here = internet.reactor()
        self.pool = ServerPool(here, mixCase=mixCase, cookies=cookies)
        if opportunistic:
            self.pool.encryption = EncryptedAuthorities(here, state, today=internet.time)
            self.pool.encryption.load()
        validator = validatorOf(internet) if validate else None
        self.source: CachedSource = recursiveStack(here, rootOf(internet), validator=validator, pool=self.pool, today=internet.time)

    def look(self, name: str, rrType: str = "A", seconds: float = 30, trace: Trace | None = None) -> Answer:
        """
        Resolve a question.

        @raise DNSFault: that fails.
        """
        context = QueryContext(self.reactor.seconds() + seconds, dnssecOk=True, trace=trace)
        return self.internet.wait(lookUp(self.source, questionOf(name, rrType), context), seconds + 5)

    def sent(self, server: str, since: int = 0) -> list[Exchange]:
        """
        Return the queries to a server, by its name.

        @param since: only those after this many queries to any server.
        """
        asked = self.internet.server(server)
        return [each for each in list(self.internet.exchanges)[since:] if each.server is asked]
