"""
The code under test: parts of a mail program and of a program that fetches pages.
"""

from twisted.internet.error import DNSLookupError
from twisted.names.error import DNSNameError
from twisted.web.client import readBody

from twisted_ext import client


async def nextHops(domain, resolver):
    """
    Return the hosts to deliver mail to. An empty list means that the mail stays in the queue.
    """
    try:
        targets = await client.mailTargets(domain, resolver=resolver)
    except DNSNameError:
        raise
    except DNSLookupError:
        return []
    return [target.host for target in targets]


async def fetch(agent, url):
    response = await agent.request(b"GET", url)
    return await readBody(response)
