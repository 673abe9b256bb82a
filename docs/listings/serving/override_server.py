"""
Generate the addresses of an office's desks, and forward queries for all other names.

    python override_server.py
"""

import re

from twisted.internet import defer, reactor
from twisted.names import error

from twisted_ext import client, dns, server


class Desks:
    """
    Answers for desk-1.office.example to desk-250.office.example. It has no method but C{query}.
    """

    pattern = re.compile(rb"desk-(\d{1,3})\.office\.example", re.IGNORECASE)

    def query(self, query, timeout=None):
        found = self.pattern.fullmatch(query.name.name)
        if found is None or not 1 <= int(found[1]) <= 250:
            # No information: the next resolver is queried.
            return defer.fail(error.DomainError())
        if query.type != dns.A:
            # The name exists, without records of this type: no resolver is queried, and no client takes it for a name that does not exist.
            return defer.succeed(([], [], []))
        address = dns.Record_A(address=f"192.0.2.{int(found[1])}", ttl=60)
        answer = dns.RRHeader(name=query.name.name, ttl=60, payload=address)
        return defer.succeed(([answer], [], []))


factory = server.DNSServerFactory(
    clients=[Desks(), client.Resolver(servers=[("127.0.0.1", 5301)])],
)
reactor.listenUDP(10053, dns.DNSDatagramProtocol(controller=factory), interface="127.0.0.1")
reactor.listenTCP(10053, factory, interface="127.0.0.1")
reactor.run()
