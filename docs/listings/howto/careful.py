"""
Send one query to one server with the protocols alone, and do the work of a resolver: send the query again, and use TCP when the reply
does not fit into a datagram.

    python careful.py 127.0.0.1 5301 long.example.com
"""

import sys

from twisted.internet import protocol, task
from twisted.internet.endpoints import HostnameEndpoint
from twisted.names.error import DNSQueryTimeoutError

from twisted_ext import dns

WAITS = (1, 2, 4)


class Controller:
    """
    Notified of connections by the protocol.
    """

    def connectionMade(self, connection):
        pass

    def connectionLost(self, connection):
        pass

    def messageReceived(self, message, protocol, address=None):
        pass


async def askDatagrams(reactor, server, query):
    for wait in WAITS:
        # A new port each time, so that a guessed port is useless.
        asking = dns.DNSDatagramProtocol(controller=None)
        port = reactor.listenUDP(0, asking)
        try:
            return await asking.query(server, [query], timeout=wait)
        except DNSQueryTimeoutError:
            print("no reply, once more", file=sys.stderr)
        finally:
            await port.stopListening()
    raise SystemExit(f"{server[0]} does not answer")


async def askStream(reactor, server, query):
    factory = protocol.Factory.forProtocol(lambda: dns.DNSProtocol(Controller()))
    connection = await HostnameEndpoint(reactor, *server).connect(factory)
    try:
        return await connection.query([query])
    finally:
        connection.transport.loseConnection()


async def main(reactor, address, port, name):
    server = (address, int(port))
    query = dns.Query(name, dns.TXT)
    message = await askDatagrams(reactor, server, query)
    print(f"over UDP: {len(message.answers)} records, cut off: {bool(message.trunc)}")
    if message.trunc:
        message = await askStream(reactor, server, query)
        print(f"over TCP: {len(message.answers)} records")
    if message.rCode != dns.OK:
        print("the server says", message.rCode)


task.react(main, sys.argv[1:])
