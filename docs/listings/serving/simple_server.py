"""
Answer all clients by forwarding their queries.

    python simple_server.py
"""

from twisted.internet import reactor

from twisted_ext import client, dns, server

factory = server.DNSServerFactory(
    clients=[client.Resolver(servers=[("127.0.0.1", 5301)])],
)
reactor.listenUDP(10053, dns.DNSDatagramProtocol(controller=factory), interface="127.0.0.1")
reactor.listenTCP(10053, factory, interface="127.0.0.1")
reactor.run()
