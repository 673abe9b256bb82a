"""
Connect to an endpoint description.

    python endpoints_strings.py srv:_chat._tcp.example.com
"""

import sys

from twisted.internet import endpoints, error, protocol, task


async def main(reactor, description):
    try:
        endpoint = endpoints.clientFromString(reactor, description)
        connection = await endpoints.connectProtocol(endpoint, protocol.Protocol())
    except error.DNSLookupError as wrong:
        print("not found:", wrong)
    except error.ConnectError as wrong:
        print("not reached:", wrong)
        for attempt in wrong.attempts:
            print(" ", attempt.target.host, attempt.target.port, type(attempt.error).__name__)
    except ValueError as wrong:
        print("wrong:", wrong)
    else:
        peer = connection.transport.getPeer()
        print("connected to", peer.host, peer.port)
        connection.transport.loseConnection()


task.react(main, sys.argv[1:])
