"""
Compare the answers of a program with those of this server, with the converted configuration. Both ask the same upstreams on loopback.

    python -m tests.live.convert.comparing FOLDER

does so for every configuration of dnsmasq in a folder, and prints each difference with its explanation.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.reversename

from tests.live.convert.upstreams import FakeUpstreams
from tests.live.twistds import Twistd
from tests.peers import LivePeer, freePort
from twisted_ext.apps.cli.convert.command import convertFile, formatNamed, tomlOf
from twisted_ext.apps.cli.convert.converted import Converted

__all__ = [
    "Answered", "Comparison", "Difference", "ForwardingPeer", "Question", "Rule", "adaptedDnsmasq", "answerOf", "compareDnsmasq",
    "differencesOf", "explainedBy", "ourServer", "questionsFor", "reportOf", "rulesFor",
]  # fmt: skip

#: Seconds for a reply.
_PATIENCE: Final = 10.0

#: Seconds after a query that was not received.
_PAUSE: Final = 0.05

#: Upstreams that configurations have for domains of their own, at most.
_UPSTREAMS: Final = 8

#: Entries of the hosts file that replaces /etc/hosts.
_HOSTS: Final = "192.168.77.1 gateway\n192.168.77.2 printer printer.lan\n2a00:77::3 six.example\n"


class Question(NamedTuple):
    name: str
    rrType: str


class Answered(NamedTuple):
    """
    What a server answered.

    @ivar records: owner, type and data of each record of the answer section.
    """

    rcode: str
    records: frozenset[tuple[str, str, str]]

    def __str__(self) -> str:
        return " ".join([self.rcode, *sorted([f"{owner}/{kind}/{data}" for owner, kind, data in self.records])])


class Difference(NamedTuple):
    question: Question
    theirs: Answered
    ours: Answered
    reason: str


@dataclass
class Comparison:
    """
    @ivar asked: the number of questions.
    @ivar ttls: TTLs of addresses by name, theirs and ours.
    @ivar differences: those with different answers, with the finding or the rule that explains it, C{""} for none.
    """

    converted: Converted
    asked: int = 0
    ttls: dict[str, tuple[int, int]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Difference]:
        return [each for each in self.differences if not each.reason]


# -- questions

_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)+")

_PREFIXES: Final = ("", "www.", "nx1.", "alias.", "four.", "a.b.", "private.")

_COMMON: Final = ("A", "AAAA", "MX", "TXT")


def questionsFor(text: str, count: int) -> list[Question]:
    """
    Return questions about the names and addresses in a configuration, names below them, and public names.
    """
    names: dict[str, None] = {}
    pointers: dict[str, None] = {}
    for line in text.split("\n"):
        line = line.partition("#")[0] if line.lstrip().startswith("#") else line
        for word in _NAME.findall(line):
            try:
                pointers[dns.reversename.from_address(word).to_text(omit_final_dot=True)] = None
            except dns.exception.SyntaxError:
                if not word.endswith((".conf", ".log", ".leases")):
                    names[word.lower()] = None
    for line in re.findall(r"(?:address|server|local|cname|host-record)=/?([A-Za-z0-9_-]+)[/,]", text):
        names[line.lower()] = None
    found: dict[Question, None] = {}
    for name in names:
        for rrType in (*_COMMON, "CNAME", "SRV", "NAPTR", "CAA"):
            found[Question(name, rrType)] = None
    for pointer in (*pointers, "1.77.168.192.in-addr.arpa", "9.9.9.10.in-addr.arpa", "5.5.5.5.in-addr.arpa"):
        found[Question(pointer, "PTR")] = None
    for name in ("gateway", "printer", "printer.lan", "six.example", "gateway.lan", "plain", "nxplain"):
        for rrType in ("A", "AAAA"):
            found[Question(name, rrType)] = None
    for name in names:
        for prefix in _PREFIXES[1:]:
            for rrType in _COMMON:
                found[Question(f"{prefix}{name}", rrType)] = None
    number = 0
    while len(found) < count:
        for prefix in _PREFIXES:
            for rrType in _COMMON:
                found[Question(f"{prefix}public{number}.example.net", rrType)] = None
        number += 1
    # Evenly from all of these, so that none of them is left out.
    every = list(found)
    return [every[index * len(every) // count] for index in range(count)]


def answerOf(port: int, question: Question, patience: float = _PATIENCE) -> Answered:
    query = dns.message.make_query(question.name, question.rrType)
    for _ in range(2):
        try:
            reply = dns.query.udp(query, "127.0.0.1", patience, port)
            break
        except (dns.exception.Timeout, OSError):
            time.sleep(_PAUSE)
    else:
        return Answered("no reply", frozenset())
    records = frozenset(
        [
            (rrset.name.to_text().lower(), dns.rdatatype.to_text(rrset.rdtype), rdata.to_text().lower())
            for rrset in reply.answer
            for rdata in rrset
        ]
    )
    return Answered(dns.rcode.to_text(reply.rcode()), records)


def differencesOf(
    theirs: int, ours: int, questions: Sequence[Question], explain: Callable[[Question, Answered, Answered], str]
) -> Iterator[Difference]:
    """
    Ask both servers, and iterate over the differences.

    @param theirs: the port of the one.
    @param ours: the port of this server.
    """
    for question in questions:
        before, after = answerOf(theirs, question), answerOf(ours, question)
        if before != after:
            yield Difference(question, before, after, explain(question, before, after))


def _ttlOf(port: int, name: str) -> int:
    reply = dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", _PATIENCE, port)
    return reply.answer[0].ttl


class Rule(NamedTuple):
    """
    A kind of difference, which is expected if the converter has said so.

    @ivar finding: a part of the reason of the finding.
    @ivar applies: whether a difference is of this kind.
    """

    finding: str
    applies: Callable[[Question, Answered, Answered], bool]


def explainedBy(rules: Sequence[Rule], converted: Converted) -> Callable[[Question, Answered, Answered], str]:
    """
    Return what explains differences by the findings of a conversion.
    """

    def explain(question: Question, theirs: Answered, ours: Answered) -> str:
        for rule in rules:
            if rule.applies(question, theirs, ours):
                for finding in converted.findings:
                    if rule.finding in finding.reason:
                        return finding.reason
        return ""

    return explain


def rulesFor(kind: str) -> Sequence[Rule]:
    """
    Return the kinds of differences between the program of a format and this server.
    """
    return _RULES[kind]


_NOTHING: Final = Answered("NOERROR", frozenset())
_DENIED: Final = Answered("NXDOMAIN", frozenset())

def _isAliasOnly(theirs: Answered, ours: Answered) -> bool:
    return _typesIn(theirs) == {"CNAME"} and theirs.records <= ours.records


def _typesIn(answered: Answered) -> set[str]:
    return {kind for _, kind, _ in answered.records}


#: The kinds of differences by format.
_RULES: Final = {
    "dnsmasq": (
        Rule("queries of type SOA and SRV are forwarded", lambda question, theirs, _: question.rrType == "SRV" and not theirs.records),
        Rule("an answer that is blocked is REFUSED here", lambda _, theirs, ours: theirs == _NOTHING and ours.rcode == "REFUSED"),
        Rule("the address has the domain as its reverse name", lambda question, _, ours: question.rrType == "PTR" and bool(ours.records)),
        Rule("special-use names are answered here", lambda question, *_: question.name.endswith(("127.in-addr.arpa", "localhost"))),
        Rule("answers with the alias alone; here it is followed", lambda _, theirs, ours: _isAliasOnly(theirs, ours)),
        Rule("blocked names have the IPv6 address ::", lambda question, _, ours: question.rrType == "AAAA" and "::" in str(ours)),
        Rule("blocked names have the IPv4 address 0", lambda question, _, ours: question.rrType == "A" and "/0.0.0.0" in str(ours)),
        Rule("a name with records exists for all types", lambda _, theirs, ours: theirs == _DENIED and ours == _NOTHING),
        Rule("the name of a local domain itself exists", lambda _, theirs, ours: theirs == _DENIED and ours == _NOTHING),
        Rule("MX records are not made for hosts", lambda question, *_: question.rrType == "MX"),
        Rule("queries for other types of a blocked name have no data", lambda _, theirs, ours: theirs != _NOTHING and ours == _NOTHING),
        Rule("addresses that address= gives to a domain", lambda question, theirs, _: not _typesIn(theirs) & {question.rrType}),
    ),
}


# -- dnsmasq

#: Options that name what only the original machine has, or that are not about answers.
_LEFT_OUT: Final = re.compile(
    r"\s*(?:interface|except-interface|listen-address|bind-|port|user|group|log-|pid-file|no-daemon|keep-in-foreground|conf-|dhcp-|tftp-"
    r"|enable-|pxe-|resolv-file|no-resolv|no-hosts|addn-hosts|hostsdir|dnssec|trust-anchor|ipset|nftset|auth-|local-service|ra-param"
    r"|interface-name|read-ethers|quiet-|no-ping|leasefile|conntrack|servers-file|dumpfile|except-|no-dhcp|script-|no-poll)"
)

_SERVER: Final = re.compile(r"\s*(server|local|rev-server)\s*=\s*(.*)$")


def adaptedDnsmasq(text: str, port: int, hosts: str, upstreams: Sequence[int]) -> str:
    """
    Rewrite addresses, ports and paths of a configuration, so that it works on loopback.

    @param upstreams: the ports of the upstreams; the first is that for all names without servers of their own.
    """
    lines: list[str] = []
    numbers: dict[str, int] = {}
    for line in text.splitlines():
        server = _SERVER.match(line)
        if server is not None:
            word, value = server[1], server[2].partition(" #")[0].strip()
            head, slash, target = value.rpartition("/") if value.startswith("/") else ("", "", value)
            if word == "rev-server":
                head, slash, target = value.partition(",")
            if target in ("", "#"):
                lines.append(f"{word}={value}")
            elif not head:
                continue
            else:
                number = numbers.setdefault(target, len(numbers) % (len(upstreams) - 1) + 1)
                lines.append(f"{word}={head}{slash}127.0.0.1#{upstreams[number]}")
        elif not _LEFT_OUT.match(line):
            lines.append(line)
    without = re.search(r"^\s*no-hosts\b", text, re.MULTILINE) is not None
    lines += ["no-resolv", "no-hosts", f"server=127.0.0.1#{upstreams[0]}", f"port={port}", "listen-address=127.0.0.1", "bind-interfaces"]
    if not without or re.search(r"^\s*(?:addn-hosts|hostsdir)\s*=", text, re.MULTILINE):
        lines.append(f"addn-hosts={hosts}")
    return "\n".join([*lines, ""])


class ForwardingPeer(LivePeer):
    """
    Another program, in front of the fake upstreams.
    """

    def _answers(self, zone: str | None) -> bool:
        # Over TCP it would ask the upstreams over TCP as well.
        return answerOf(self.port, Question("nx.example", "A"), 1.0).rcode != "no reply"


class _Dnsmasq(ForwardingPeer):
    def __init__(self, configure: Callable[[LivePeer], str]) -> None:
        super().__init__("dnsmasq", (), configure, "127.0.0.1", {})

    @property
    def _command(self) -> list[str]:
        file = str(self._configurationFile)
        # As root it would become another user, who cannot read the folder.
        return [str(self.executable), "--keep-in-foreground", "--conf-file=" + file, "--pid-file=", "--log-facility=-", "--user=root"]


@contextmanager
def ourServer(folder: Path, toml: str, port: int) -> Iterator[Twistd]:
    """
    Run this server with converted settings.
    """
    path = folder / "txdns.toml"
    path.write_text(toml, "utf-8")
    server = Twistd(folder, port=port)
    server.words = ["-n", "--pidfile", str(folder / "twistd.pid"), "txdns", "--config", str(path), "--control", ""]
    with server:
        yield server


def compareDnsmasq(text: str, count: int, timed: Sequence[str] = ()) -> Comparison:
    """
    Compare dnsmasq with this server.

    @param text: the configuration of dnsmasq.
    @param count: the number of questions.
    @param timed: names of which the TTLs are compared as well.
    """
    with tempfile.TemporaryDirectory() as name, FakeUpstreams(_UPSTREAMS) as upstreams:
        folder = Path(name)
        hosts = folder / "hosts"
        hosts.write_text(_HOSTS)
        with _Dnsmasq(lambda peer: adaptedDnsmasq(text, peer.port, str(hosts), upstreams.ports)) as theirs:
            ours = freePort("127.0.0.1")
            adapted = folder / "dnsmasq.conf"
            adapted.write_text(adaptedDnsmasq(text, ours, str(hosts), upstreams.ports))
            # What was left out is in the findings of the original.
            converted = convertFile(str(adapted), formatNamed("dnsmasq"))
            result = Comparison(converted)
            questions = questionsFor(text, count)
            result.asked = len(questions)
            with ourServer(folder, tomlOf(converted), ours):
                result.ttls = {each: (_ttlOf(theirs.port, each), _ttlOf(ours, each)) for each in timed}
                result.differences = list(differencesOf(theirs.port, ours, questions, explainedBy(rulesFor("dnsmasq"), converted)))
    return result


def reportOf(name: str, result: Comparison) -> list[str]:
    """
    Return the lines about one configuration.
    """
    differing, wrong = len(result.differences), result.unexplained
    lines = [f"{name}: {result.asked} questions, {differing} answers differ, {len(wrong)} without an explanation"]
    reasons = Counter([each.reason for each in result.differences if each.reason])
    lines += [f"    {number}: {reason}" for reason, number in reasons.items()]
    lines += [f"    {each.question.name} {each.question.rrType}: {each.theirs} | {each.ours}" for each in wrong]
    return lines


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Compare dnsmasq's answers with those of its converted configuration.")
    parser.add_argument("folder", type=Path, help="the folder of configurations")
    parser.add_argument("--questions", type=int, default=500, help="questions for each configuration")
    given = parser.parse_args(words)
    unexplained = 0
    for path in sorted(given.folder.iterdir()):
        result = compareDnsmasq(path.read_text("utf-8", "replace"), given.questions)
        sys.stdout.write("\n".join([*reportOf(path.name, result), ""]))
        unexplained += len(result.unexplained)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
