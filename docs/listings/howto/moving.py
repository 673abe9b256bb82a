"""
A program for twisted.names with one line changed.

    python moving.py example.com
"""

import sys

from twisted.internet import task
from twisted.names import dns
from twisted.names.error import DomainError

from twisted_ext import client  # was: from twisted.names import client


def main(reactor, domain):
    resolver = client.getResolver()

    def printTexts(result):
        answers, authority, additional = result
        for answer in answers:
            if answer.type == dns.TXT:
                print(b"".join(answer.payload.data).decode("utf-8", "replace"))

    def noSuchName(failure):
        failure.trap(DomainError)
        print("no such name")

    return resolver.lookupText(domain, timeout=(1, 3, 11)).addCallbacks(printTexts, noSuchName)


task.react(main, sys.argv[1:])
