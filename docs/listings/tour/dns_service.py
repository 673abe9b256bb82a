"""
Print the servers of a domain's service, best server first.

    python dns_service.py xmpp-client tcp example.com
"""

import sys

from twisted.internet import task
from twisted.names.error import DNSNameError

from twisted_ext import client


def printServers(result):
    answers, authority, additional = result
    for answer in sorted(answers, key=lambda answer: (answer.payload.priority, -answer.payload.weight)):
        server = answer.payload
        print(f"{server.target}:{server.port} (priority {server.priority}, weight {server.weight})")


def noServer(failure, service, protocol, domain):
    failure.trap(DNSNameError)
    print(f"{domain} offers no {service} by {protocol}")


def main(reactor, service, protocol, domain):
    d = client.lookupService(f"_{service}._{protocol}.{domain}")
    return d.addCallbacks(printServers, noServer, errbackArgs=(service, protocol, domain))


task.react(main, sys.argv[1:])
