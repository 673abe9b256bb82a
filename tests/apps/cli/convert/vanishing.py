"""
Find directives of a configuration of which a conversion says nothing: without them, settings and findings are the same.

    python -m tests.apps.cli.convert.vanishing FILE...

prints them for configurations of dnsmasq, Unbound, named and CoreDNS.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.apps.cli.convert.folders import converted
from twisted_ext.apps.cli.convert.command import detected
from twisted_ext.apps.cli.convert.converted import Converted, Severity

__all__ = ["directivesIn", "isIdle", "vanished"]

#: A statement of named begins with a word, and ends with a semicolon outside of braces and quotes.
_TOKEN: Final = re.compile(r'"[^"\n]*"|//[^\n]*|#[^\n]*|/\*.*?\*/|[{};]', re.DOTALL)

#: Blocks of named whose statements count by themselves.
_OPEN: Final = ("options", "zone", "view", "server", "rate-limit", "logging", "key", "tls", "http", "dnssec-policy")

#: What begins a section of Unbound.
_SECTION: Final = re.compile(r"\s*[a-z-]+:\s*(?:#.*)?")

#: Directives that say what is so anyway, or that make only sense with others, by format: the name with its value.
_IDLE: Final = {
    "dnsmasq": re.compile(r"port=53|cache-size=150|listen-address="),
    "unbound": re.compile(
        r"(?:port: \d+|do-ip4: yes|prefetch: no|directory: .*|name: .*|forward-first: no|forward-no-cache: no|tls-port: 853|https-port: 443"
        r"|chroot: .*|forward-(?:tls|ssl|tcp)-upstream: no|stub-(?:first|prime): no|log-(?:queries|replies): no|serve-expired: no"
        r"|private-domain: .*|domain-insecure: .*|ip-ratelimit: 0|val-permissive-mode: no|module-config: .*|use-syslog: yes"
        r"|tls-cert-bundle: .*|serve-expired-ttl: 86400|for-downstream: no|(?:identity|version): .*"
        r"|access-control: (?:127\.0\.0\.[01]/\d+|::1(?:/128)?) allow|access-control: (?:0\.0\.0\.0|::0?)/0 refuse)"
    ),
    "named": re.compile(
        r"(?:type (?:hint|master|primary|slave|secondary|forward)|directory .*|recursion yes|dnssec-validation (?:auto|no)|algorithm .*"
        r"|secret .*|forward (?:only|first)|notify (?:yes|explicit|no|(?:master|primary)-only)|listen-on(?:-v6)?(?: port 53)? \{ any; \}"
        r"|empty-zones-enable yes|port 53|allow-(?:update|transfer) \{ none; \}|stale-answer-enable no|file .*|match-clients \{ any; \}"
        r"|category .*|allow-query \{ any; \}|allow-notify .*|options \{.*)"
    ),
    "coredns": re.compile(r"root .*|fallthrough.*|(?:class|type) .*|bind .*|match \.\*|rcode NOERROR"),
}  # fmt: skip


def directivesIn(kind: str, text: str) -> Iterator[tuple[int, int, str]]:
    """
    Iterate over the directives of a configuration: where each begins and ends, and its text on one line.
    """
    if kind == "named":
        yield from _statements(text, 0, len(text))
        return
    pattern = {
        "dnsmasq": r"^[ \t]*([a-zA-Z][^#\n]*(?:#[^\s][^\n#]*)?)",
        "unbound": r"^[ \t]*([a-z][a-z0-9-]*:[ \t]+[^\s#][^#\n]*)",
        "coredns": r"^[ \t]+([a-z_0-9][^#\n{}]*?)[ \t]*(?:#.*)?$",
    }[kind]
    for found in re.finditer(pattern, text, re.MULTILINE):
        yield found.start(1), found.end(1), " ".join(found[1].split())


def _statements(text: str, begin: int, end: int) -> Iterator[tuple[int, int, str]]:
    depth, start, opened = 0, begin, 0
    for found in _TOKEN.finditer(text, begin, end):
        mark = found[0]
        if mark == "{":
            opened = found.end() if not depth else opened
            depth += 1
        elif mark == "}":
            depth -= 1
        elif mark == ";" and not depth:
            said = " ".join(_TOKEN.sub(lambda each: each[0] if each[0][0] in '"{};' else " ", text[start : found.end()]).split())
            if said != ";":
                blanks = len(text[start : found.end()]) - len(text[start : found.end()].lstrip())
                yield start + blanks, found.end(), said
                if opened and said.startswith(_OPEN):
                    yield from _statements(text, opened, text.rfind("}", opened, found.end()))
            start, opened = found.end(), 0


def _saidLines(text: str, result: Converted) -> set[int]:
    """
    Return the lines that settings come from, and those of sections of Unbound that are left out as a whole, with a line.
    """
    lines = {place.line for places in result.places.values() for place in places}
    heads = [number for number, line in enumerate(text.split("\n"), 1) if _SECTION.fullmatch(line)]
    for finding in result.findings:
        if finding.place.line in heads and finding.severity in (Severity.MISSING, Severity.WRONG, Severity.NEEDLESS):
            after = [head for head in heads if head > finding.place.line]
            lines.update(range(finding.place.line, min(after, default=text.count("\n") + 2)))
    return lines


def _meaning(kind: str, text: str) -> object:
    result = converted(kind, text)
    findings = sorted([(each.severity.value, each.reason, each.instead) for each in result.findings])
    return {name: repr(value) for name, value in result.values.items()}, findings


def isIdle(kind: str, said: str) -> bool:
    """
    Return whether a directive is in the list of those that need not change anything.
    """
    return _IDLE[kind].fullmatch(said.strip().rstrip(";").replace('"', "").replace("= ", "=").strip()) is not None


def _without(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    for start, end, _ in spans:
        # What takes its place is as long, so that nothing else moves.
        text = text[:start] + "".join([each if each == "\n" else " " for each in text[start:end]]) + text[end:]
    return text


def vanished(kind: str, text: str) -> list[str]:
    """
    Return the directives that no setting comes from, and without which settings and findings are the same, but for those in the list of
    what need not matter. Of several that say the same, one alone would matter; what is there twice is not looked at.
    """
    whole = _meaning(kind, text)
    lines = _saidLines(text, converted(kind, text))
    every = [each for each in directivesIn(kind, text) if not isIdle(kind, each[2])]
    idle = [each for each in every if _meaning(kind, _without(text, [each])) == whole]
    nothing = _meaning(kind, _without(text, idle))
    lost = [each for each in idle if _meaning(kind, _without(text, [other for other in idle if other != each])) == nothing]
    times = Counter([said for _, _, said in every])
    return [said for start, _, said in lost if text.count("\n", 0, start) + 1 not in lines and times[said] == 1]


def main(paths: Sequence[str]) -> int:
    files = directives = gone = 0
    for path in paths:
        text = Path(path).read_text("utf-8", "replace")
        format = detected(path, text)
        if format is None or format.word not in _IDLE:
            sys.stdout.write(f"{path}: its format is not known\n")
            continue
        lost = vanished(format.word, text)
        files, gone = files + 1, gone + len(lost)
        directives += sum(1 for _ in directivesIn(format.word, text))
        sys.stdout.write("".join([f"{path}: {said[:120]}\n" for said in lost]))
    sys.stdout.write(f"{files} files, {directives} directives, {gone} of which nothing is said\n")
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
