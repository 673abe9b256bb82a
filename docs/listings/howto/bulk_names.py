"""
Look up the mail exchangers of all names on the standard input, at most a thousand at once, and print one line for each.

    python bulk_names.py < names.txt
"""

import sys

from twisted.internet import task

from twisted_ext import client
from twisted_ext.bulk import bulk, dataOf


async def main(reactor):
    names = (line.strip() for line in sys.stdin)
    async for name, result in bulk(client.getResolver(), names, "MX", window=1000, ordered=True):
        if isinstance(result, Exception):
            print(f"{name}: {result}")
        else:
            print(f"{name}: {', '.join(dataOf(result)) or result.outcome.value}")


task.react(main)
