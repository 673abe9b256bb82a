"""
Send one query over UDP to one server, and print the reply.

    python low_level.py 127.0.0.1 5301
"""

import sys

from twisted.internet import task

from twisted_ext import dns


def printResult(message):
    print("ANSWERS:", [answer.payload for answer in message.answers])


def main(reactor, address, port):
    protocol = dns.DNSDatagramProtocol(controller=None)
    reactor.listenUDP(0, protocol)

    d = protocol.query((address, int(port)), [dns.Query("www.example.com", dns.AAAA)])
    d.addCallback(printResult)
    return d


task.react(main, sys.argv[1:])
