"""
Connect to a name with the resolver of this process, then restore the reactor's own.

    python install.py web.example.com 8080
"""

import sys

from twisted.internet import protocol, task
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError

from twisted_ext import client


class Greeted(protocol.Protocol):
    def connectionMade(self):
        print("connected to", self.transport.getPeer().host)
        self.transport.loseConnection()


async def main(reactor, name, port):
    endpoint = HostnameEndpoint(reactor, name, int(port))
    factory = protocol.Factory.forProtocol(Greeted)

    uninstall = client.install(reactor)
    await endpoint.connect(factory)

    uninstall()
    try:
        await endpoint.connect(factory)
    except DNSLookupError:
        print("the system does not know that name")


task.react(main, sys.argv[1:])
