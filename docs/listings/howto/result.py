"""
Print the properties of an answer besides its records.
"""

from twisted.internet import task

from twisted_ext import client
from twisted_ext.wire.codes import AA, RA, rcodeName


async def main(reactor):
    result = await client.lookupMailExchange("example.com")
    answers, authority, additional = result
    for header in answers:
        print(f"{header.name} {header.ttl} s: {header.payload.preference} {header.payload.name}")
    print("rcode:", rcodeName(result.rcode))
    print("from the server's own zones:", bool(result.flags & AA))
    print("the server recurses:", bool(result.flags & RA))
    print("extended errors:", result.ede)
    print("security:", result.security.value)
    print("server:", result.server)

    again = await client.lookupMailExchange("example.com")
    print("the second time:", again.answer.origin.source)

    empty = await client.lookupService("example.com")
    print("no such data:", list(empty[0]), empty.answer.outcome.value)


task.react(main)
