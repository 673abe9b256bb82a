import asyncio

from twisted_ext import asyncio as looping
from twisted_ext import client


async def main():
    resolver = looping.getResolver("cache:udp:127.0.0.1:5301")
    mail, text = await asyncio.gather(
        looping.asFuture(resolver.lookupMailExchange("example.com")),
        looping.asFuture(resolver.lookupText("example.net")),
    )
    print(*[str(record.payload.name) for record in mail[0]])
    print(*[record.payload.data for record in text[0]])
    for target in await looping.asFuture(client.mailTargets("example.com", resolver=resolver)):
        print(target.host, target.port)


asyncio.run(main())
