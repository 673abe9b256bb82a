"""
Connect to the mail servers of a domain, or to a list of targets of your own.

    python endpoints_classes.py example.com
"""

import sys

from twisted.internet import endpoints, error, protocol, task

from twisted_ext import client
from twisted_ext.endpoints import Target, TargetsEndpoint


async def main(reactor, domain):
    # The function is called again for each connection.
    mail = TargetsEndpoint(reactor, lambda: client.mailTargets(domain), f"mail of {domain}", timeout=2)
    # The second is a backup: it is tried when the first has failed, or has not been reached for a second.
    mine = TargetsEndpoint(reactor, [Target("127.0.0.1", 1, priority=1), Target("web.example.com", 8080, priority=2)])
    for endpoint in (mail, mine):
        try:
            connection = await endpoints.connectProtocol(endpoint, protocol.Protocol())
        except (error.DNSLookupError, error.ConnectError) as wrong:
            print(wrong)
        else:
            print("connected to port", connection.transport.getPeer().port)
            connection.transport.loseConnection()


task.react(main, sys.argv[1:])
