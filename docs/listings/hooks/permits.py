"""
Ask a service what clients may see.
"""

from urllib.parse import quote

from twisted.internet import reactor
from twisted.web.client import Agent, HTTPConnectionPool, readBody

from twisted_ext.hooks import PASS, hook, refuse

agent = Agent(reactor, pool=HTTPConnectionPool(reactor))


@hook(seconds=1, keep=10, otherwise=refuse("the service does not respond"), below=["twistedmatrix.com"])
async def permitted(name, client):
    response = await agent.request(b"GET", f"http://127.0.0.1:8081/{quote(client)}/{quote(name)}".encode())
    body = await readBody(response)
    return PASS if response.code == 200 else refuse(body.decode("utf-8", "replace"))
