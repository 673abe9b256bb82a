"""
Print the names of any number of addresses and ranges, of IPv4 and IPv6, thousands at once.

    python multi_reverse_lookup.py 127.0.0.1 192.0.2.80 2001:db8::80
    python multi_reverse_lookup.py 192.0.2.0/24 2001:db8::/120
"""

import sys
from itertools import chain

from twisted.internet import task

from twisted_ext import client
from twisted_ext.bulk import bulk, dataOf, reverse
from twisted_ext.wire.names import nameToText


async def main(reactor, *ranges):
    questions = chain.from_iterable(map(reverse, ranges))
    async for question, result in bulk(client.getResolver(), questions, ordered=True):
        name = nameToText(question.name)
        if isinstance(result, Exception):
            print(f"{name} failed: {result}", file=sys.stderr)
            continue
        for text in dataOf(result):
            print(f"{name} is {text}")


task.react(main, sys.argv[1:])
