"""
Print where Twisted's mail delivery sends the mail of a domain.

    python delivering.py example.com
"""

import sys

from twisted.internet import task
from twisted.internet.error import DNSLookupError
from twisted.mail.relaymanager import MXCalculator

from twisted_ext.integrations.mail import MailResolver


async def main(reactor, *domains):
    calculator = MXCalculator(resolver=MailResolver(), clock=reactor)
    for domain in domains:
        try:
            exchange = await calculator.getMX(domain)
        except DNSLookupError as error:
            print(error)
        else:
            print(f"{domain}: to {exchange.name}")


task.react(main, sys.argv[1:])
