"""
Find services by other records.
"""

from twisted.internet import task

from twisted_ext import client
from twisted_ext.compat.conversion.errors import ServiceNotAvailable


async def main(reactor):
    print("https://shop.example.com/")
    for target in await client.bindingTargets("https", "shop.example.com", protocols=("h2", "http/1.1")):
        print(" ", target, ",".join(target.alpn) or "-", ",".join(target.addresses) or "-")

    print("mail for example.com")
    for target in await client.mailTargets("example.com"):
        print(" ", target)

    print("mail for nomail.example.com")
    try:
        await client.mailTargets("nomail.example.com")
    except ServiceNotAvailable as error:
        print(" ", error)

    print("URIs of _http._tcp.example.com")
    for uri in await client.urisOf("_http._tcp.example.com"):
        print(" ", uri)

    print("+44 20 7946 0148")
    for uri in await client.numberURIs("+44 20 7946 0148"):
        print(" ", uri)

    print("the service chat of example.com, by NAPTR")
    targets = await client.rewrittenTargets("example.com", "chat", ["xmpp"])
    print(" ", len(targets), "targets, the last of them", targets[-1])

    print("certificates of www.example.com")
    print(" ", await client.tlsaOf("www.example.com", 443))


task.react(main)
