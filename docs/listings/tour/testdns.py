"""
Print addresses, mail exchangers and name servers of a domain.

    python testdns.py example.com
"""

import sys

from twisted.internet import task

from twisted_ext import client

LOOKUPS = [
    ("Addresses", client.lookupAddress),
    ("Mail exchangers", client.lookupMailExchange),
    ("Name servers", client.lookupNameservers),
]


def formatted(heading, records):
    return "\n".join([heading, *(f"  {record.name} {record.payload}" for record in records)])


async def main(reactor, domain):
    # All three run at the same time; a failure of one does not hide the others.
    waiting = [(heading, lookup(domain)) for heading, lookup in LOOKUPS]
    for heading, d in waiting:
        try:
            answers, authority, additional = await d
        except Exception as error:
            print(f"{heading}\n  {error}")
        else:
            print(formatted(heading, answers))


task.react(main, sys.argv[1:])
