"""
Serve a zone that this program creates and updates.

    python zone_server.py
"""

from twisted.internet import reactor

from twisted_ext import dns, server
from twisted_ext.zone import Zone

zone = Zone.fromText(
    """
$TTL 300
@        SOA    ns admin 1 3600 900 604800 60
         NS     ns
ns       A      127.0.0.1
www      A      192.0.2.80
*.users  CNAME  www
""",
    "home.example",
)


def moveIn(name, address):
    zone.add(f"{name} 60 A {address}", f'{name} 60 TXT "a guest"')


factory = server.DNSServerFactory(authorities=[zone])
reactor.listenUDP(10053, dns.DNSDatagramProtocol(controller=factory), interface="127.0.0.1")
reactor.listenTCP(10053, factory, interface="127.0.0.1")
reactor.callWhenRunning(moveIn, "laptop", "192.0.2.7")
reactor.run()
