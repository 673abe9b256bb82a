"""
Look a name up over TLS, HTTPS and QUIC.
"""

from twisted.internet import task

from twisted_ext import client

SERVERS = [
    "tls://127.0.0.1:8853#dns.home.arpa:ca=ca.pem",
    "https://dns.home.arpa:8443/dns-query:address=127.0.0.1:ca=ca.pem",
    "quic://127.0.0.1:8853#dns.home.arpa:ca=ca.pem",
]


async def main(reactor):
    for description in SERVERS:
        resolver = client.resolverFromString(reactor, description)
        answers, authority, additional = result = await resolver.lookupAddress("www.example.com")
        print(result.answer.origin.source, [header.payload.dottedQuad() for header in answers])
        await resolver.close()


task.react(main)
