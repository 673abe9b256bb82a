"""
A server that leads infected clients to a page that tells them, as a database says.
"""

from twisted.enterprise import adbapi
from twisted.internet import reactor

from twisted_ext.client import createResolver
from twisted_ext.dns import DNSDatagramProtocol
from twisted_ext.hooks import PASS, answer, hook
from twisted_ext.server import DNSServerFactory

CLIENTS = "CREATE TABLE IF NOT EXISTS infected (client PRIMARY KEY); REPLACE INTO infected VALUES ('127.0.0.2')"

pool = adbapi.ConnectionPool("sqlite3", "infected.sqlite", check_same_thread=False)


@hook(seconds=0.5, keep=2)
async def quarantine(client):
    rows = await pool.runQuery("SELECT 1 FROM infected WHERE client = ?", (client,))
    return answer("A 203.0.113.80", ttl=5) if rows else PASS


def begin(_):
    factory = DNSServerFactory(clients=[createResolver()], hooks=[quarantine])
    reactor.listenUDP(10053, DNSDatagramProtocol(factory), "127.0.0.1")
    reactor.listenTCP(10053, factory, interface="127.0.0.1")


pool.runInteraction(lambda cursor: cursor.executescript(CLIENTS)).addCallback(begin)
reactor.run()
