"""
A forwarding cache as C{twistd dns --cache --recursive} puts it together, for a port other than 53 and servers at others than that.

    python benchmarks/twistednames.py PORT UPSTREAM-ADDRESS UPSTREAM-PORT
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTCP, IReactorUDP
from twisted.internet.protocol import DatagramProtocol, ServerFactory
from twisted.names import cache, client, dns, server

# What the constructors, which have no types, take and make.
_factory: Callable[..., ServerFactory] = server.DNSServerFactory
_cache: Callable[[], object] = cache.CacheResolver
_resolver: Callable[..., object] = client.Resolver
_datagrams: Callable[[ServerFactory], DatagramProtocol] = dns.DNSDatagramProtocol


def main(port: int, upstream: tuple[str, int]) -> None:
    """
    Serve until told to end.
    """
    factory = _factory(caches=[_cache()], clients=[_resolver(servers=[upstream])])
    factory.noisy = False
    protocol = _datagrams(factory)
    protocol.noisy = False
    IReactorUDP(reactor).listenUDP(port, protocol, "127.0.0.1", 8192)
    IReactorTCP(reactor).listenTCP(port, factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), (sys.argv[2], int(sys.argv[3])))
