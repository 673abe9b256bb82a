"""
Print the steps of a look-up.
"""

import json

from twisted.internet import task

from twisted_ext import client


async def main(reactor):
    resolver = client.resolverFromString(reactor, "chain:(special):cache:udp:127.0.0.1:5301")
    for name in ["www.example.com", "www.example.com", "localhost"]:
        print(await resolver.explain(name))
        print()
    explanation = await resolver.explain("nosuch.example.com", "MX")
    print(json.dumps(explanation.data["origin"]["source"]), explanation.data["outcome"])
    await resolver.close()


task.react(main)
