import asyncio

import aiohttp

from twisted_ext import asyncio as looping


async def main():
    connector = aiohttp.TCPConnector(resolver=looping.Resolver("udp:127.0.0.1:5301"))
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            await session.get("http://gone.example.com/")
        except aiohttp.ClientConnectorDNSError as error:
            print(error)


asyncio.run(main())
