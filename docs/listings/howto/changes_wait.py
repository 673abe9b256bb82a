"""
Wait until a name has an address, with a time limit.

    python changes_wait.py www.example.com 192.0.2.80 [RESOLVER ...]
"""

import sys

from twisted.internet import task

from twisted_ext import client
from twisted_ext.compat.conversion.errors import DNSQueryTimeoutError


async def main(reactor, name, address, *servers):
    try:
        await client.waitFor(name, "A", lambda texts: address in texts, timeout=2, resolver=servers or None)
    except DNSQueryTimeoutError as error:
        print("not yet:", error)
    else:
        print("there")


task.react(main, sys.argv[1:])
