"""
Watch a name in an asyncio program until it has an address.
"""

import asyncio

from twisted_ext import asyncio as looping


async def main():
    async for change in looping.watch("www.example.com", "A", resolver="udp:127.0.0.1:5301"):
        print(change)
        if change.texts:
            break
    await looping.waitFor("www.example.com", "AAAA", resolver="udp:127.0.0.1:5301", timeout=60)
    print("has an address of IPv6, too")


asyncio.run(main())
