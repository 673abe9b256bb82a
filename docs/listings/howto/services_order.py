"""
Print the servers of a service in the order in which to try them.

    python services_order.py _xmpp-client._tcp.example.com
"""

import random
import sys

from twisted.internet import task

from twisted_ext import client
from twisted_ext.compat.conversion.errors import DNSServerError, ServiceNotAvailable

# The seed makes the output reproducible. Programs leave it out.
rng = random.Random(1)


async def main(reactor, owner):
    try:
        targets = await client.serverTargets(owner, rng=rng)
    except ServiceNotAvailable as error:
        print("not offered:", error)
    except DNSServerError as error:
        print("nothing to be had:", error)
    else:
        for target in targets:
            print(target.host, target.port, f"(priority {target.priority}, weight {target.weight})")
        if not targets:
            print("no records; try the host itself at the service's own port")


task.react(main, sys.argv[1:])
