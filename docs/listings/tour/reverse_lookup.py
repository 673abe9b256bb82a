"""
Print the name of an address.

    python reverse_lookup.py 127.0.0.1
    python reverse_lookup.py 2001:db8::80
"""

import sys

from twisted.internet import task

from twisted_ext import client


def reverseNameFromIPAddress(address):
    return client.reverseName(address)


def printResult(result):
    answers, authority, additional = result
    if answers:
        first = answers[0]
        print(f"{first.name} IN {first.payload}")


def main(reactor, address):
    d = client.lookupPointer(name=reverseNameFromIPAddress(address))
    d.addCallback(printResult)
    return d


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
