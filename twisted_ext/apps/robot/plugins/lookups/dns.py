"""
Look-ups, traces and proofs.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.answers import Answer, Note, Security
from twisted_ext.apps.robot.limits import AUTHORITY_SECONDS
from twisted_ext.apps.robot.plugin import Call, Effect, command, option
from twisted_ext.apps.robot.plugins.lookups.authorities import (
    AskingPlugin,
    DomainName,
    RecordType,
    denialIn,
    recordsIn,
    settled,
    shown,
)
from twisted_ext.apps.robot.text import Line, Reply, Span, bad, bold, clean, dim, good, line, name, warning
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadName, DNSFault
from twisted_ext.resolver.lookup.explain import recordLines
from twisted_ext.resolver.recursive.configured import readRoot
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.config import types
from twisted_ext.watch.states import State
from twisted_ext.wire.codes import EDE_NAMES, rcodeName
from twisted_ext.wire.escapes import ipv4FromText, ipv6FromText
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import AAAA, CNAME, PTR, A, typeName

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["DNS"]

#: Lines of a reply beyond which it is published as a page too.
_LONG: Final = 6

#: Names of an address whose addresses are compared with it.
_MOST_NAMES: Final = 5

#: Servers of one answer that C{propagation} names.
_MOST_SERVERS: Final = 6

_ADDRESS: Final = RecordType(A)

_SECURITY: Final = {Security.SECURE: good, Security.BOGUS: bad}


class DNS(AskingPlugin):
    """
    Look-ups, traces and proofs.
    """

    hints: str = option(types.READABLE, "", "A file with the root servers for trace in place of the built-in ones, as IANA's named.root")
    resolvers: tuple[str, ...] = option(
        types.DESCRIPTION, (), "Resolvers that propagation asks besides the authoritative servers and the robot's own"
    )

    def init(self, robot: Robot) -> Deferred[None] | None:
        self._root = readRoot(self.hints)
        return super().init(robot)

    @command()
    async def dig(self, call: Call, name: DomainName, type: RecordType = _ADDRESS) -> Reply:
        """
        Look up the records of a name, by default its IPv4 addresses.
        """
        question = Question(name, type)
        answer = await self.look(question)
        records = _records(answer)
        count = "1 record" if len(records) == 1 else f"{len(records)} records"
        found = (denialIn(question, answer) or count) if answer.rcode in (0, 3) else rcodeName(answer.rcode)
        where = f" ({f'{answer.origin.source} {answer.origin.server}'.strip()})" if answer.origin is not None else ""
        return _reply([line(*_subject(question), f": {found}, ", _level(answer.security), dim(where)), *_errors(answer.ede), *records])

    @command(Effect.REACHES, seconds=35.0)
    async def trace(self, call: Call, name: DomainName, type: RecordType = _ADDRESS) -> Reply:
        """
        Resolve a name from the root servers down, and show each server that replied.
        """
        from twisted_ext.drawing.palette import Palette
        from twisted_ext.resolver.recursive.recording import resolveTraced
        from twisted_ext.resolver.recursive.tracetree import TraceTree

        question = Question(name, type)
        steps: list[Note] = []
        note = steps.append
        recording = await resolveTraced(self.robot.reactor, self._root, question, note, port=self.port, usable=self.mayReach)
        result = recording.result
        took = f"{len(recording.queries)} queries, {(recording.ended - recording.began) * 1000:.0f} ms"
        ended = (denialIn(question, result) or "answered") if isinstance(result, Answer) else bad(shown(str(result)))
        said = [line(*_subject(question), ": ", ended, f", {took}"), *(_records(result) if isinstance(result, Answer) else [])]
        for query in recording.queries:
            what = f"{shown(query.question.name)} {typeName(query.question.rrType)}"
            where = f"{query.server or 'no server'}, {query.seconds * 1000:.0f} ms"
            said.append(line(dim(f"{what}: {where}"), bad(f" {shown(query.text)}") if query.fault else ""))
        tree = TraceTree(recording.began, Palette(False), True)
        return Reply(said, _page([tree.heading(question), *map(tree.line, steps), *tree.ending(recording)]))

    @command(seconds=35.0)
    async def validate(self, call: Call, name: DomainName, type: RecordType = _ADDRESS) -> Reply:
        """
        Validate the records of a name with DNSSEC, and show why they are secure or not.
        """
        from twisted_ext.dnssec.inspection import inspect
        from twisted_ext.dnssec.trustanchors import TrustAnchors
        from twisted_ext.drawing.chaindrawing import htmlOf

        evidence = await self.robot.resolver.proof(nameToText(name), type)
        inspection = inspect(evidence, TrustAnchors(evidence.anchors))
        verdict = inspection.verdict
        zones: list[str | Span] = []
        for zone in inspection.zones:
            zones += [" > " if zones else "", f"{shown(zone.wire)} ", _level(zone.security)]
        head = line(*_subject(Question(name, type)), f" ({inspection.outcome}): ", _level(verdict.security))
        return Reply([head, *_errors(verdict.reasons), line(*zones)], htmlOf(inspection))

    @command()
    async def reverse(self, call: Call, address: str) -> list[Line]:
        """
        Look up the names of an address, and whether they have that address.
        """
        from twisted_ext.wire.addressranges import reverseNameOf

        try:
            packed = ipv6FromText(address) if ":" in address else ipv4FromText(address)
        except ValueError:
            raise BadName(f"{address!r} is not an IP address, such as 192.0.2.1 or 2001:db8::1") from None
        question = Question(reverseNameOf(packed), PTR)
        answer = await self.look(question)
        names = recordsIn(answer, PTR)
        if not names:
            return [line(bold(address), f": {denialIn(question, answer) or 'no such records'} ", dim(f"({shown(question.name)})"))]
        forward = [Question(host, AAAA if len(packed) == 16 else A) for host in names[:_MOST_NAMES]]
        lines = []
        for question, found in zip(forward, await self.lookAll(forward), strict=True):
            if isinstance(found, Exception):
                check = bad(shown(found))
            elif packed in recordsIn(found, question.rrType):
                check = good("it has this address")
            else:
                check = warning(denialIn(question, found) or "it does not have this address")
            lines.append(line(bold(address), " is ", name(shown(question.name)), ": ", check))
        if len(names) > _MOST_NAMES:
            lines.append(line(dim(f"and {len(names) - _MOST_NAMES} more names")))
        return lines

    @command(Effect.REACHES, seconds=30.0)
    async def propagation(self, call: Call, name: DomainName, type: RecordType = _ADDRESS) -> Reply:
        """
        Ask each authoritative server and some resolvers for a name, and show which of them say what.
        """
        question = Question(name, type)
        _, hosts = await self.zoneOf(name)
        servers = await self.addressesOf(hosts)
        said: dict[str, list[str]] = {}
        for server, answer in zip(servers.values(), await self.askEach(servers, question), strict=True):
            text = _saidBy(question, answer)
            if isinstance(answer, Answer) and not answer.authoritative:
                text = f"not authoritative for it: {text}"
            elif isinstance(answer, DNSFault) and answer.server:
                # Servers that fail in the same way are one group.
                text = text.replace(answer.server, "it")
            said.setdefault(text, []).append(server)
        for label, found in zip(["the robot's resolver", *self.resolvers], await self._askResolvers(question), strict=True):
            said.setdefault(_saidBy(question, found), []).append(label)
        asked = sum(map(len, said.values()))
        same = len(said) == 1
        head = good(f": all {asked} say the same") if same else warning(f": {len(said)} different answers of {asked}")
        lines = [line(*_subject(question), head)]
        for text, labels in sorted(said.items(), key=lambda pair: -len(pair[1])):
            more = f" and {len(labels) - _MOST_SERVERS} more" if len(labels) > _MOST_SERVERS else ""
            lines.append(line(bold(shown(text)), dim(f" ({len(labels)}: {', '.join(labels[:_MOST_SERVERS])}{more})")))
        return _reply(lines)

    async def _askResolvers(self, question: Question) -> list[Answer | Exception]:
        chosen = [NamesResolver(sourceFromString(self.robot.reactor, each), self.robot.reactor) for each in self.resolvers]
        try:
            asked = [each.lookUp(question, each.contextFor(AUTHORITY_SECONDS.default * 2)) for each in chosen]
            return await settled([self.look(question), *asked])
        finally:
            for resolver in chosen:
                resolver.close()


def _records(answer: Answer) -> list[Line]:
    return [line(each) for rrset in answer.answer for each in recordLines(rrset)]


def _page(lines: Iterable[str]) -> str:
    return f"<pre tabindex='0'>{escape(chr(10).join(map(clean, lines)))}</pre>\n"


def _reply(lines: list[Line]) -> Reply:
    return Reply(lines, _page(map(str, lines)) if len(lines) > _LONG else "")


def _subject(question: Question) -> list[str | Span]:
    return [name(shown(question.name)), f" {typeName(question.rrType)}"]


def _level(security: Security) -> Span:
    return _SECURITY.get(security, warning)(security.value)


def _errors(ede: Iterable[tuple[int, str]]) -> list[Line]:
    """
    Return one line for each extended error (RFC 8914).
    """
    return [line(warning(shown(f"{EDE_NAMES.get(code, f'EDE {code}')}{f': {text}' if text else ''}"))) for code, text in ede]


def _saidBy(question: Question, answer: Answer | Exception) -> str:
    if isinstance(answer, Exception):
        return (isinstance(answer, DNSFault) and answer.cause) or str(answer)
    # An authoritative server does not have the target of an alias to another zone.
    texts = [
        f"{'CNAME ' if rrset.rrType == CNAME != question.rrType else ''}{rdataToText(rrset.rrType, rdata)}"
        for rrset in answer.answer
        if rrset.rrType in (question.rrType, CNAME) and rrset.name.lower() == question.name.lower()
        for rdata in rrset.rdatas
    ]
    return ", ".join(sorted(texts)) or str(State(answer.outcome))
