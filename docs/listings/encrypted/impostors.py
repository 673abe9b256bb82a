"""
Show what happens if a server cannot prove its identity.
"""

from twisted.internet import task
from twisted.names.error import DNSServerError

from twisted_ext import client

SERVERS = [
    "tls://127.0.0.1:8853#dns.example:ca=ca.pem",
    "tls://127.0.0.1:8853#dns.home.arpa",
    "tls://127.0.0.1:8853:pins=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "https://dns.home.arpa:8853/dns-query:address=127.0.0.1:ca=ca.pem",
]


async def main(reactor):
    for description in SERVERS:
        resolver = client.resolverFromString(reactor, description)
        try:
            await resolver.lookupAddress("www.example.com")
        except DNSServerError as error:
            print(error)
        await resolver.close()


task.react(main)
