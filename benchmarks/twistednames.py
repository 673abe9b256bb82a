"""
A forwarding cache as C{twistd dns --cache --recursive} puts it together, for a port other than 53 and servers at others than that.

    python benchmarks/twistednames.py PORT UPSTREAM-ADDRESS UPSTREAM-PORT
"""

from __future__ import annotations

import sys

from twisted.internet import reactor
from twisted.names.cache import CacheResolver
from twisted.names.client import Resolver
from twisted.names.dns import DNSDatagramProtocol
from twisted.names.server import DNSServerFactory


def main(port: int, upstream: tuple[str, int]) -> None:
    """
    Serve until told to end.
    """
    factory = DNSServerFactory(caches=[CacheResolver()], clients=[Resolver(servers=[upstream])])
    factory.noisy = False
    protocol = DNSDatagramProtocol(factory)
    protocol.noisy = False
    reactor.listenUDP(port, protocol, "127.0.0.1")
    reactor.listenTCP(port, factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), (sys.argv[2], int(sys.argv[3])))
