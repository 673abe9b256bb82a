"""
Print the errors of invalid descriptions.
"""

from twisted.internet.task import Clock

from twisted_ext import client
from twisted_ext.errors import BadDescription

for description in [
    "upd:192.0.2.53",
    "udp:dns.example.com",
    "udp:192.0.2.53:70000",
    "udp:192.0.2.53:trys=5",
    "udp:2001:db8::53",
    "cache:mostBytes=lots:udp:192.0.2.53",
    "cache",
    "chain:(hosts):(udp:192.0.2.53",
    "route:corp.example=(udp:192.0.2.53):system:udp:192.0.2.1",
]:
    try:
        client.resolverFromString(Clock(), description)
    except BadDescription as error:
        print(error)
