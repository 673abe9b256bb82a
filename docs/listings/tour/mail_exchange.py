"""
Print the mail servers of a domain.

    python mail_exchange.py example.com
"""

import sys

from twisted.internet import task

from twisted_ext import client


def cbMailExchange(results):
    answers = results[0]
    print("Mail goes to:", answers)


def ebMailExchange(failure):
    print("The look-up failed:", failure.getErrorMessage())


def main(reactor, domain):
    d = client.lookupMailExchange(domain)
    d.addCallbacks(cbMailExchange, ebMailExchange)
    return d


task.react(main, sys.argv[1:])
