import asyncio

import aioxmpp
import aioxmpp.network

from twisted_ext.integrations.aioxmpp.asyncio import BlockingResolver


async def main():
    aioxmpp.network.set_resolver(BlockingResolver("udp:127.0.0.1:5301"))
    options = await aioxmpp.node.discover_connectors("example.com")
    for host, port, connector in sorted(options, key=str):
        print(host, port, type(connector).__name__)


asyncio.run(main())
