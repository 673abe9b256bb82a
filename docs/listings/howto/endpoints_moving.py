"""
Stay connected to the service of a domain, as SRVConnector with a ReconnectingClientFactory does.

    python endpoints_moving.py example.com
"""

import sys

from twisted.application.internet import ClientService
from twisted.internet import protocol, task

from twisted_ext.endpoints import SRVEndpoint

# Before:
#
#     factory = ChatFactory()     # a ReconnectingClientFactory
#     SRVConnector(reactor, "chat", domain, factory, defaultPort=5222).connect()


async def main(reactor, domain):
    endpoint = SRVEndpoint(reactor, f"_chat._tcp.{domain}", defaultPort=5222)
    service = ClientService(endpoint, protocol.Factory.forProtocol(protocol.Protocol))
    service.startService()
    connection = await service.whenConnected(failAfterFailures=3)
    print("connected to port", connection.transport.getPeer().port)
    # A service cannot be stopped at the moment at which it connects.
    await task.deferLater(reactor, 0)
    await service.stopService()


task.react(main, sys.argv[1:])
