import asyncio
import threading

import aioxmpp
import aioxmpp.network

from twisted_ext import asyncio as looping
from twisted_ext.integrations.aioxmpp import asyncio as network


async def main():
    # Before the first connection.
    aioxmpp.network.lookup_srv = network.lookup_srv
    network.set_resolver("udp:127.0.0.1:5301")
    # For the addresses of servers, which aioxmpp looks up with the loop.
    looping.install(resolver="udp:127.0.0.1:5301")
    options = await aioxmpp.node.discover_connectors("example.com")
    print(len(options), "servers,", threading.active_count(), "thread")


asyncio.run(main())
