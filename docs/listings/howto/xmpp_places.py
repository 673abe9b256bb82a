import asyncio
import random
import socket

from twisted_ext import asyncio as looping
from twisted_ext.integrations.aioxmpp import asyncio as network


async def places(loop, domain, services, port, rng=None):
    """
    Return tuples of service, host, address and port, the best server of the domain first, as slixmpp has them.
    """
    records = []
    for service in services:
        for priority, weight, (host, number) in await network.lookup_srv(domain.encode("idna"), service) or ():
            records.append((priority, weight, (service, host.decode(), number)))
    servers = list(network.group_and_order_srv_records(records, rng)) or [("", domain, port)]
    found = []
    for service, host, number in servers:
        try:
            addresses = await loop.getaddrinfo(host, number, type=socket.SOCK_STREAM)
        except socket.gaierror:
            # The next server may have addresses.
            continue
        found += [(service, host, address[4][0], number) for address in addresses]
    return found


async def main():
    # Without these lines the machine's configuration is used.
    network.set_resolver("udp:127.0.0.1:5301")
    looping.install(resolver="udp:127.0.0.1:5301")
    loop = asyncio.get_running_loop()
    # The seed makes the output reproducible. Programs leave it out.
    for place in await places(loop, "example.com", ["xmpps-client", "xmpp-client"], 5222, random.Random(2)):
        print(*place)


if __name__ == "__main__":
    asyncio.run(main())
