"""
A deterministic internet for tests: the root, TLDs and zones, signed with real keys, on the memory network under a virtual clock::

    from twisted_ext.testing.internet import Fault, Internet

    internet = Internet(seed=7)
    internet.zone("example.org", "www 300 A 192.0.2.80\\n@ MX 10 mail\\nmail A 192.0.2.25")
    reactor = internet.reactor()              # that of a client
    ...                                       # resolve from there: internet.hints, internet.anchors, internet.time
    internet.inject(Fault.EXPIRED, "example.org", name="mail.example.org")
    internet.link("ns1.example.org", rtt=0.2, loss=0.1)
    internet.advance(3600)

Zones above those of the test are made as needed, with NS records, glue and DS records. Servers answer over UDP and TCP with the code that
serves real zones; signatures are made when they are asked for, at the time of the simulation. L{KeyPlan} has keys replaced over the years;
L{Fault} lists what can be made to go wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.lazy import lazyNames

if TYPE_CHECKING:
    from twisted_ext.testing.internet.faults import Fault
    from twisted_ext.testing.internet.keyplans import DAY, HOUR, KeyPlan, Roll
    from twisted_ext.testing.internet.nameservers import Exchange, NameServer
    from twisted_ext.testing.internet.seededsigner import Params
    from twisted_ext.testing.internet.world import Internet
    from twisted_ext.testing.internet.zones import Delegation, InternetZone

__all__ = [
    "DAY",
    "HOUR",
    "Delegation",
    "Exchange",
    "Fault",
    "Internet",
    "InternetZone",
    "KeyPlan",
    "NameServer",
    "Params",
    "Roll",
]

__getattr__, __dir__ = lazyNames(
    __name__,
    {
        "twisted_ext.testing.internet.seededsigner": ["Params"],
        "twisted_ext.testing.internet.faults": ["Fault"],
        "twisted_ext.testing.internet.keyplans": ["DAY", "HOUR", "KeyPlan", "Roll"],
        "twisted_ext.testing.internet.nameservers": ["Exchange", "NameServer"],
        "twisted_ext.testing.internet.world": ["Internet"],
        "twisted_ext.testing.internet.zones": ["Delegation", "InternetZone"],
    },
)
