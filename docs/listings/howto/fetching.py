"""
Fetch pages with treq.

    python fetching.py http://web.example.com:8080/
"""

import sys

import treq
from twisted.internet import task
from twisted.internet.error import DNSLookupError

from twisted_ext import client


async def main(reactor, *urls):
    client.install(reactor)
    for url in urls:
        try:
            response = await treq.get(url, reactor=reactor, persistent=False)
        except DNSLookupError as error:
            print(f"{url}: {error}")
        else:
            print(f"{url}: {await response.text()}")


task.react(main, sys.argv[1:])
