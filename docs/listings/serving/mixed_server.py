"""
Answer from a zone of our own, and from a cache in front of another server for everything else.

    python mixed_server.py
"""

import sys

from twisted.internet import reactor
from twisted.names.authority import BindAuthority
from twisted.python import log

from twisted_ext import client, dns, server


class Careful(server.DNSServerFactory):
    """
    A factory that refuses queries for private names.
    """

    def allowQuery(self, message, protocol, address):
        return all(b"private" not in query.name.name for query in message.queries)


log.startLogging(sys.stderr)
factory = Careful(
    authorities=[BindAuthority("home.example")],
    clients=[client.resolverFromString(reactor, "cache:udp:127.0.0.1:5301")],
    verbose=1,
)
reactor.listenUDP(10053, dns.DNSDatagramProtocol(controller=factory), interface="127.0.0.1")
reactor.listenTCP(10053, factory, interface="127.0.0.1")
reactor.run()
