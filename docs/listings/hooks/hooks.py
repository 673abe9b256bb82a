"""
Lead infected clients to a page that tells them, and refuse what a customer has forbidden, by a database.
"""

from twisted.enterprise import adbapi

from twisted_ext.hooks import PASS, answer, hook, refuse

WALL = answer("A 203.0.113.80", ttl=5)

pool = adbapi.ConnectionPool("sqlite3", "clients.sqlite", check_same_thread=False)


@hook(keep=2)
async def quarantine(client):
    rows = await pool.runQuery("SELECT 1 FROM infected WHERE client = ?", (client,))
    return WALL if rows else PASS


@hook(keep=2, seconds=0.5, otherwise=refuse("the database does not respond"), below=["shop.example"])
async def forbidden(name, client):
    rows = await pool.runQuery("SELECT reason FROM forbidden WHERE client = ? AND name = ?", (client, name))
    return refuse(rows[0][0]) if rows else PASS
