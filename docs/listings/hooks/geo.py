"""
The nearest of two servers, by the country of the client.
"""

from twisted_ext.hooks import PASS, answer, hook
from twisted_ext.integrations.maxmind import Places

PLACES = Places("country.mmdb")
SERVERS = {"IS": answer("A 203.0.113.10", "AAAA 2001:db8::10"), "NZ": answer("A 203.0.113.20", "AAAA 2001:db8::20")}


@hook(keep=60, below=["cdn.example.net"])
def nearest(name, client):
    return SERVERS.get(PLACES.countryOf(client), PASS)
