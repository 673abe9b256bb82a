from twisted.internet import task

from twisted_ext.integrations import aioxmpp

SERVER = "udp:127.0.0.1:5301"


async def main(reactor):
    records = await aioxmpp.lookupSrv(b"example.com", "xmpp-client", resolver=SERVER)
    for priority, weight, (host, port) in sorted(records):
        print(priority, weight, host.decode(), port)
    try:
        await aioxmpp.lookupTlsa(b"chat1.example.com", 5222, resolver=SERVER)
    except ValueError as error:
        print(error)
    try:
        await aioxmpp.repeatedQuery(b"broken.example.com", "A", resolver=SERVER)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")


task.react(main)
