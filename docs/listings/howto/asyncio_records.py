import asyncio

from twisted_ext.asyncio import resolve

SERVER = "cache:udp:127.0.0.1:5301"


async def main():
    mail = await resolve("example.com", "MX", resolver=SERVER)
    print(mail)
    print(*[record.preference for record in mail])
    text = await resolve("example.net", "TXT", resolver=SERVER)
    print(text.texts, text.result.security.value)


asyncio.run(main())
