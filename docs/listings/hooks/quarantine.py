"""
Lead infected clients to a page that tells them.
"""

from twisted_ext.hooks import PASS, answer, hook

INFECTED = {"10.0.0.7"}


@hook(keep=5)
def wall(client):
    return answer("A 203.0.113.80", ttl=5) if client in INFECTED else PASS
