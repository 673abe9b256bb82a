"""
Stop at the first address of a range that has a name.

    python bulk_early.py 192.0.2.0/24
"""

import sys
from contextlib import aclosing

from twisted.internet import task

from twisted_ext import client
from twisted_ext.answers import Answer
from twisted_ext.bulk import bulk, dataOf, reverse


async def main(reactor, range):
    async with aclosing(bulk(client.getResolver(), reverse(range), ordered=True)) as results:
        async for _, result in results:
            if isinstance(result, Answer) and dataOf(result):
                print(dataOf(result)[0])
                break


task.react(main, sys.argv[1:])
