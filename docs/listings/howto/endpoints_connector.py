"""
Keep the factory and change the import of SRVConnector.

    python endpoints_connector.py example.com
"""

import sys

from twisted.internet import protocol, reactor

# Before: from twisted.names.srvconnect import SRVConnector
from twisted_ext.endpoints import SRVConnector


class Chat(protocol.Protocol):
    def connectionMade(self):
        print("connected to port", self.transport.getPeer().port)
        self.factory.stopTrying()
        self.transport.loseConnection()


class ChatFactory(protocol.ReconnectingClientFactory):
    protocol = Chat
    noisy = False

    def clientConnectionFailed(self, connector, reason):
        print("failed:", reason.value)
        reactor.stop()

    def clientConnectionLost(self, connector, reason):
        print("gone")
        reactor.stop()


connector = SRVConnector(reactor, "chat", sys.argv[1], ChatFactory(), defaultPort=1)
reactor.callWhenRunning(connector.connect)
reactor.run()
