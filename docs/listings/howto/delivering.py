"""
Where Twisted's mail delivery takes the mail of a domain.

    python delivering.py example.com
"""

import sys

from twisted.internet import defer, task
from twisted.mail.relaymanager import MXCalculator

from twisted_ext import client


async def main(reactor, *domains):
    calculator = MXCalculator(resolver=client.getResolver(), clock=reactor)
    for domain in domains:
        exchange = await calculator.getMX(domain)
        print(domain, "to", exchange.name)


task.react(lambda reactor, *words: defer.ensureDeferred(main(reactor, *words)), sys.argv[1:])
