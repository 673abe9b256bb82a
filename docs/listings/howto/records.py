"""
Print the HTTPS records of a web server.

    python records.py cdn.example.net
"""

import sys

from twisted.internet.task import react

from twisted_ext import client, dns


async def main(reactor, name):
    answers, _, _ = await client.lookup(name, "HTTPS")
    for answer in answers:
        print(dns.textOf(answer))
        if answer.type == dns.HTTPS:
            print("  protocols", answer.payload.alpn)
            print("  port", answer.payload.port)
            print("  addresses to begin with", answer.payload.ipv4hint + answer.payload.ipv6hint)


react(main, sys.argv[1:])
