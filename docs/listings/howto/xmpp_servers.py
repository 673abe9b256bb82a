import asyncio
import random

from twisted_ext.integrations.aioxmpp import asyncio as network

# The seed makes the output reproducible. Programs leave it out.
rng = random.Random(2)


async def main():
    # Without this line the machine's configuration is used.
    network.set_resolver("udp:127.0.0.1:5301")
    loop = asyncio.get_running_loop()
    for domain in ("example.com", "bücher.example"):
        records = await network.find_xmpp_host_addr(loop, domain)
        for host, port in network.group_and_order_srv_records(records, rng):
            print(domain, "->", host.decode(), port)
    try:
        await network.lookup_srv(b"example.com", "imap")
    except ValueError as error:
        print(error)
    for record in await network.repeated_query(b"example.com", "MX"):
        print(record.preference, record.exchange)


asyncio.run(main())
