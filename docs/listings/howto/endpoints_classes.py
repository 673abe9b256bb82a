"""
Connect to whatever takes the mail of a domain, or to a list of one's own.

    python endpoints_classes.py example.com
"""

import sys

from twisted.internet import defer, endpoints, error, protocol, task

from twisted_ext import client
from twisted_ext.endpoints import Target, TargetsEndpoint


async def main(reactor, domain):
    # A function is asked anew for each connection.
    mail = TargetsEndpoint(reactor, lambda: client.mailTargets(domain), f"mail of {domain}", timeout=2)
    # The second is a stand-in: it is tried when the first has failed, or has not been reached for a second.
    mine = TargetsEndpoint(reactor, [Target("127.0.0.1", 1, priority=1), Target("web.example.com", 8080, priority=2)])
    for endpoint in (mail, mine):
        try:
            connection = await endpoints.connectProtocol(endpoint, protocol.Protocol())
        except (error.DNSLookupError, error.ConnectError) as wrong:
            print(wrong)
        else:
            print("connected to port", connection.transport.getPeer().port)
            connection.transport.loseConnection()


task.react(lambda reactor, *words: defer.ensureDeferred(main(reactor, *words)), sys.argv[1:])
