"""
A resolver of twisted.names as the source of some names.
"""

import re

from twisted.internet import defer
from twisted.names import common, dns, error

from twisted_ext.hooks import ask, hook


class Desks(common.ResolverBase):
    """
    Answers for desk-1.office.example to desk-250.office.example.
    """

    pattern = re.compile(rb"desk-(\d{1,3})\.office\.example", re.IGNORECASE)

    def _lookup(self, name, cls, type, timeout):
        found = self.pattern.fullmatch(name)
        if found is None or not 1 <= int(found[1]) <= 250:
            return defer.fail(error.AuthoritativeDomainError(name))
        if type != dns.A:
            return defer.succeed(([], [], []))
        address = dns.Record_A(f"192.0.2.{int(found[1])}", 60)
        return defer.succeed(([dns.RRHeader(name, dns.A, dns.IN, 60, address)], [], []))


DESKS = Desks()


@hook(below=["office.example"])
def desks(name):
    return ask(DESKS)
