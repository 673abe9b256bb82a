"""
Answer from a list of machines: one line for each, its name and its IPv4 address separated by a comma.
"""

import csv
from ipaddress import IPv4Address

from twisted.internet.defer import succeed
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.errors import BadDescription, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import A

IN = 1


@implementer(IAnswerSource)
class Inventory:
    """
    Answer from a dictionary of names, in wire form and lower case, and addresses of four octets.
    """

    def __init__(self, clock, path, addresses, ttl):
        self.clock = clock
        self.path = path
        self.addresses = addresses
        self.ttl = ttl

    def ask(self, question, context):
        address = self.addresses.get(question.name.lower())
        if address is None:
            return None
        if context.trace is not None:
            context.trace.note(self.clock.seconds(), "inventory", "found", path=self.path)
        origin = Origin("inventory", self.path)
        if question.rrType != A:
            return Answer(Outcome.NODATA, origin=origin)
        return Answer(Outcome.DATA, (RRSet(question.name, A, IN, self.ttl, (address,)),), origin=origin)

    def unknown(self, question):
        return Unknown(f"{self.path} has no information on it")

    def close(self):
        return succeed(None)

    def sources(self):
        return ()


def parseInventory(site, path: str, *, ttl: int = 60):
    """
    Build "inventory:path[:ttl=seconds]". The signature is the schema: other arguments are rejected with an error.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            addresses = {nameFromText(name).lower(): IPv4Address(text.strip()).packed for name, text in csv.reader(file)}
    except OSError as error:
        raise BadDescription(f"{path}: {error.strerror}; give a file with a line for each machine") from error
    except ValueError as error:
        raise BadDescription(f"{path}: {error}; each line takes a name, a comma and an IPv4 address") from error
    return Inventory(site.reactor, path, addresses, ttl)
