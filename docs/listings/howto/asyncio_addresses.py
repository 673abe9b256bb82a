import asyncio
import socket

from twisted_ext import asyncio as looping

SERVER = "udp:127.0.0.1:5301"


async def main():
    rows = await looping.getaddrinfo("www.example.com", "https", type=socket.SOCK_STREAM, resolver=SERVER)
    # The order of preference depends on the networks of this machine.
    for family, _, _, _, address in sorted(rows):
        print(family.name, *address[:2])

    # From here on all connections by name use it.
    looping.install(resolver=SERVER)
    loop = asyncio.get_running_loop()
    print(*await loop.getnameinfo(("192.0.2.80", 443)))
    try:
        await asyncio.open_connection("gone.example.com", 443)
    except socket.gaierror as error:
        print(error)


asyncio.run(main())
