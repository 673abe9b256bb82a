"""
Watch a name that moves from one server to another, is removed, and added again.
"""

from twisted.internet import task

from twisted_ext import client
from twisted_ext.testing.servers import CannedServer

NXDOMAIN = 3
moves = iter(["192.0.2.81", NXDOMAIN, ["192.0.2.81", "192.0.2.82"]])


async def main(reactor):
    # A name server of our own, whose records change.
    server = CannedServer({("www.example.com", "A"): "192.0.2.80"})
    place = server.listen(reactor, 0, "127.0.0.1")
    async with client.watch("www.example.com", "A", resolver=f"udp:127.0.0.1:{place.port}", interval=0.1) as changes:
        async for change in changes:
            if change.error:
                print("failing:", change.error)
            else:
                print(change.before, "->", change.after)
            move = next(moves, None)
            if move is None:
                break
            server.set("www.example.com", "A", move)
    await server.close()


task.react(main)
