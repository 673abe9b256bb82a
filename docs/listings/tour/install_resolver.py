"""
Install a resolver for one server in the reactor, then connect to a name.

    python install_resolver.py 127.0.0.1 5301 web.example.com 8080
"""

import sys

from twisted.internet import protocol, task
from twisted.internet.endpoints import HostnameEndpoint

from twisted_ext import client


class Greeted(protocol.Protocol):
    def connectionMade(self):
        print("connected to", self.transport.getPeer().host)
        self.transport.loseConnection()


async def main(reactor, address, port, name, webPort):
    reactor.installResolver(client.createResolver(servers=[(address, int(port))]))
    factory = protocol.Factory.forProtocol(Greeted)
    await HostnameEndpoint(reactor, name, int(webPort)).connect(factory)


task.react(main, sys.argv[1:])
