import asyncio
import socket


async def main(loop):
    rows = await loop.getaddrinfo("www.example.com", 443, proto=socket.IPPROTO_TCP)
    print(*sorted(row[4][0] for row in rows))


loop = asyncio.get_event_loop()
try:
    loop.run_until_complete(main(loop))
finally:
    loop.close()
