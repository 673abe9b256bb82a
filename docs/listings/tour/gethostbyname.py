"""
Print one address of a host: an IPv4 address if it has one, otherwise an IPv6 address.

    python gethostbyname.py www.example.com
"""

import sys

from twisted.internet import task
from twisted.names.error import DomainError

from twisted_ext import client


def main(reactor, name):
    def failed(failure):
        failure.trap(DomainError)
        print(f"no address: {failure.getErrorMessage()}", file=sys.stderr)
        raise SystemExit(1)

    return client.getHostByName(name).addCallbacks(print, failed)


task.react(main, sys.argv[1:])
