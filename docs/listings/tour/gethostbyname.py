"""
Print one address of a host: of IPv4 where it has one, else of IPv6.

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
