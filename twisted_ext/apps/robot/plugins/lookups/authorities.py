"""
Look-ups of plugins, by the robot's resolver and of each authoritative server of a zone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import Final, TypeVar

from twisted.internet.defer import Deferred, gatherResults

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.limits import AUTHORITIES, AUTHORITY_SECONDS
from twisted_ext.apps.robot.plugin import RobotPlugin, option
from twisted_ext.compat.conversion.errors import LookupFailed
from twisted_ext.errors import BadRecord, DNSFault
from twisted_ext.resolver.policy.rebinding import isPrivate
from twisted_ext.resolver.recursive.configured import isForServers
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.server.config import types
from twisted_ext.watch.limits import ZONE_NAMES
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText, nameToText, parentOf
from twisted_ext.wire.rrtypes import AAAA, NS, A, expectType, isMeta, typeName

__all__ = ["AskingPlugin", "DomainName", "LookingPlugin", "RecordType", "denialIn", "recordsIn", "requireName", "settled", "shown"]

_T = TypeVar("_T")

#: Characters of a text from the network that are shown.
_MOST_CHARACTERS: Final = 350


class DomainName(bytes):
    """
    The type of a parameter that takes a domain name, in wire form. No search list applies to it.
    """

    __slots__ = ()

    @classmethod
    def fromText(cls, text: str) -> DomainName:
        return cls(nameFromText(text))


class RecordType(int):
    """
    The type of a parameter that takes a type of records.
    """

    __slots__ = ()

    @classmethod
    def fromText(cls, text: str) -> RecordType:
        number = expectType(text)
        if isMeta(number):
            raise BadRecord(f"{typeName(number)} is not a type that a name has records of; write one such as A or TXT")
        return cls(number)


class LookingPlugin(RobotPlugin):
    """
    A plugin that asks the robot's resolver.
    """

    def look(self, question: Question, dnssec: bool = False) -> Deferred[Answer]:
        """
        @param dnssec: whether to request signatures, and answers that are bogus too.
        """
        context = self.robot.resolver.contextFor(AUTHORITY_SECONDS.default * 2)
        return self.robot.resolver.lookUp(question, context.but(dnssecOk=True, checkingDisabled=True) if dnssec else context)

    def lookAll(self, questions: Iterable[Question], dnssec: bool = False) -> Deferred[list[Answer | Exception]]:
        return settled(self.look(each, dnssec) for each in questions)

    async def isSecure(self, question: Question, answer: Answer) -> bool:
        # The resolver may not validate.
        if answer.security is not Security.INDETERMINATE:
            return answer.security is Security.SECURE
        try:
            return (await self.robot.resolver.proof(nameToText(question.name), question.rrType)).security is Security.SECURE
        except LookupFailed:
            return False


class AskingPlugin(LookingPlugin):
    """
    A plugin that queries servers which zones name. Anyone can have a zone name any address, so private ones are not queried.
    """

    allow: tuple[str, ...] = option(types.PREFIX, (), "Private networks whose servers may be queried nevertheless, such as 10.1.0.0/16")
    port: int = option(types.PORT, 53, "The port of all authoritative servers, for tests")

    def mayReach(self, address: str) -> bool:
        number = ip_address(address)
        if any(prefix == "any" or number in ip_network(prefix, strict=False) for prefix in self.allow):
            return True
        return isForServers(address) and not isPrivate(number.packed)

    async def zoneOf(self, name: bytes) -> tuple[bytes, list[bytes]]:
        """
        Return the zone that a name is in, and the names of its servers, all folded.
        """
        for _ in range(int(ZONE_NAMES.default)):
            for rrset in (await self.look(Question(name, NS), dnssec=True)).answer:
                if rrset.rrType == NS and rrset.name.lower() == name.lower():
                    return name.lower(), sorted({host.lower() for host in rrset.rdatas})
            if name == ROOT:
                break
            name = parentOf(name)
        raise CommandError(f"no name servers found for {shown(name)}")

    async def addressesOf(self, hosts: Collection[bytes]) -> dict[str, str]:
        """
        Return the addresses of servers without those that may not be queried, each with the text to show for it.

        @raise CommandError: none is left.
        @raise DNSFault: there is none, and a look-up failed.
        """
        questions = [Question(host, rrType) for host in islice(hosts, int(AUTHORITIES.default)) for rrType in (A, AAAA)]
        answers = await self.lookAll(questions, dnssec=True)
        servers = {
            str(ip_address(rdata)): f"{shown(question.name)} {ip_address(rdata)}"
            for question, answer in zip(questions, answers, strict=True)
            for rdata in recordsIn(answer, question.rrType)
        }
        reached = {address: label for address, label in servers.items() if self.mayReach(address)}
        if not reached:
            for answer in answers:
                if isinstance(answer, Exception) and not servers:
                    raise answer
            why = "private addresses only, which the robot does not query" if servers else "no address is known"
            raise CommandError(f"{shown(', '.join(map(shown, hosts)))}: {why}")
        return dict(islice(reached.items(), int(AUTHORITIES.default)))

    async def askEach(self, addresses: Iterable[str], question: Question, dnssec: bool = False) -> list[Answer | Exception]:
        """
        Query each server, all at once, and return its answer or why there is none.
        """
        # A new pool has not learned that a server is down.
        pool = ServerPool(self.robot.reactor, port=self.port, tries=2, usable=self.mayReach)
        seconds = AUTHORITY_SECONDS.default
        end = self.robot.reactor.seconds() + seconds
        context = QueryContext(end, recursionDesired=False, dnssecOk=dnssec, waits=(seconds / 3, seconds / 2))
        try:
            return await settled(pool.lookUp((address,), question, context) for address in addresses)
        finally:
            pool.close()


def settled(running: Iterable[Awaitable[_T]]) -> Deferred[list[_T | Exception]]:
    """
    Run all at once, and return what each returns or the fault with which it fails.
    """

    async def settle(each: Awaitable[_T]) -> _T | Exception:
        try:
            return await each
        except (DNSFault, CommandError) as fault:
            return fault

    return gatherResults([Deferred.fromCoroutine(settle(each)) for each in running], consumeErrors=True)


def denialIn(question: Question, answer: Answer) -> str:
    """
    Return what an answer says that there is not; C{""} if it has records.
    """
    if answer.outcome is Outcome.DATA:
        return ""
    end = found(question, answer, searched=False)[1]
    alias = f" (alias of {shown(end)})" if end.lower() != question.name.lower() else ""
    return f"{'no such name' if answer.outcome is Outcome.NXDOMAIN else 'no such records'}{alias}"


def requireName(question: Question, answer: Answer) -> None:
    """
    @raise CommandError: the answer says that the name does not exist.
    """
    if answer.outcome is Outcome.NXDOMAIN:
        alias = denialIn(question, answer).removeprefix("no such name")
        raise CommandError(f"{shown(question.name)}{alias} does not exist (NXDOMAIN)")


def recordsIn(answer: Answer | Exception, rrType: int) -> list[bytes]:
    sets = answer.answer if isinstance(answer, Answer) else ()
    return [rdata for rrset in sets if rrset.rrType == rrType for rdata in rrset.rdatas]


def shown(text: bytes | str | Exception) -> str:
    """
    Return a name, or a text from the network, cut to a length that fits into a line.
    """
    said = nameToText(text, final=text == ROOT) if isinstance(text, bytes) else str(text)
    return said if len(said) <= _MOST_CHARACTERS else f"{said[: _MOST_CHARACTERS - 1]}…"
