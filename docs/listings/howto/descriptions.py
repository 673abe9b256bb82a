"""
Look up one name with several resolver descriptions.

    python descriptions.py www.example.com
"""

import sys

from twisted.internet import task

from twisted_ext import client

DESCRIPTIONS = [
    "udp:127.0.0.1:5301",
    "tcp:127.0.0.1:5301",
    "udp:127.0.0.1,127.0.0.1@5302:5301",
    "cache:udp:127.0.0.1:5301",
    "chain:(hosts):(special):cache:udp:127.0.0.1:5301",
    "race:delay=0.1:(udp:127.0.0.1:5301):(tcp:127.0.0.1:5301)",
    "route:example.com=(udp:127.0.0.1:5301):system",
]


async def main(reactor, name):
    for description in DESCRIPTIONS:
        resolver = client.resolverFromString(reactor, description)
        result = await resolver.lookupAddress(name)
        print(f"{description}\n  {result[0][0].payload.dottedQuad()} from {result.server}")
        await resolver.close()


task.react(main, sys.argv[1:])
