import socket
import sys

from twisted.internet.task import react

from twisted_ext import client


async def show(reactor, server, host, service):
    rows = await client.getaddrinfo(host, service, type=socket.SOCK_STREAM, resolver=server)
    # The order of preference depends on the machine, so the addresses are sorted here.
    for family, kind, protocol, _, address in sorted(rows):
        print(family.name, kind.name, protocol, address)
    print(await client.getnameinfo(min(rows)[4], resolver=server))
    try:
        await client.getaddrinfo("nobody.example.com", service, resolver=server)
    except socket.gaierror as error:
        print(error)
        print("because:", error.__cause__)


react(show, sys.argv[1:])
