"""
Distinguish a name that does not exist from a failed look-up.
"""

from twisted.internet import task
from twisted.names.error import DNSNameError, DNSQueryTimeoutError, DNSServerError

from twisted_ext import client


async def main(reactor):
    for name in ["www.example.com", "nosuch.example.com", "broken.example.com", "silent.example.com"]:
        try:
            answers, authority, additional = await client.lookupAddress(name, timeout=1)
        except DNSNameError as error:
            print(f"{type(error).__name__}: {error}")
            print(f"  that holds for {error.answer.authority[0].ttl} seconds")
        except DNSQueryTimeoutError as error:
            print(f"{type(error).__name__}: {error}")
        except DNSServerError as error:
            print(f"{type(error).__name__}: {error}")
            print(f"  rcode {error.rcode}, extended errors {error.ede}")
        else:
            print(name, [answer.payload.dottedQuad() for answer in answers])


task.react(main)
