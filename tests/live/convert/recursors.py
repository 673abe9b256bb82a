"""
Compare Unbound and named with this server, with their converted configurations. Both ask the same upstreams on loopback, and serve the same
zones.

    python -m tests.live.convert.recursors FOLDER

does so for every configuration in a folder, and prints each difference with its explanation. A Corefile is compared with what CoreDNS's
documentation says, since CoreDNS itself is rarely installed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from tests.live.convert.comparing import (
    Answered,
    Comparison,
    Difference,
    ForwardingPeer,
    Question,
    Rule,
    answerOf,
    differencesOf,
    explainedBy,
    ourServer,
    questionsFor,
    reportOf,
)
from tests.live.convert.upstreams import FakeUpstreams
from tests.live.twistds import wait
from tests.peers import LivePeer, freePort
from twisted_ext.apps.cli.convert.command import convertFile, detected, formatNamed, tomlOf
from twisted_ext.apps.cli.convert.converted import Converted
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.named.syntax import Statement, parsed

__all__ = ["adaptedCorefile", "adaptedNamed", "adaptedUnbound", "compareCoredns", "compareNamed", "compareUnbound", "compared"]

#: Upstreams that configurations have for domains of their own, at most.
_UPSTREAMS: Final = 12

_NOTHING: Final = Answered("NOERROR", frozenset())

#: The kinds of differences between these programs and this server.
_RULES: Final = (
    Rule(
        "an answer with a private address gets REFUSED",
        lambda question, theirs, ours: "private" in question.name and theirs.rcode == "NOERROR" and ours.rcode == "REFUSED",
    ),
    Rule("a name with local records has no records of other types", lambda _, theirs, ours: theirs != _NOTHING and ours == _NOTHING),
    Rule("a name with records exists for all types", lambda _, theirs, ours: theirs.rcode == "NXDOMAIN" and ours == _NOTHING),
    Rule("names in it get NXDOMAIN", lambda _, theirs, ours: ours.rcode == "NXDOMAIN"),
    Rule("may look names up but not query the zones are refused", lambda _, theirs, ours: ours.rcode == "REFUSED"),
    Rule("the name of the zone itself exists here", lambda _, theirs, ours: theirs.rcode == "NXDOMAIN" and ours == _NOTHING),
)

# -- Unbound

#: Options that name what only the original machine has, or that are not about answers.
_LEFT_OUT: Final = re.compile(
    r"\s*(?:interface|ip-address|port|username|chroot|directory|pidfile|logfile|use-syslog|include|root-hints|tls-|ssl-|https?-|num-threads"
    r"|auto-trust-anchor-file|trust-anchor|trusted-keys|control-|server-(?:key|cert)|do-daemonize|so-|outgoing-|do-not-query-localhost"
    r"|forward-(?:tls|ssl|tcp)-upstream|do-(?:tcp|udp|ip4)|forward-first|use-systemd|python-script|zonefile|log-|module-config"
    r"|statistics|ip-ratelimit|ip-transparent|ip-freebind|dnstap)[a-z0-9-]*\s*:"
)

_SECTION: Final = re.compile(r"\s*(?:server|forward-zone|stub-zone|remote-control|auth-zone|view|python|rpz|dnstap|cachedb):\s*(?:#.*)?$")

_NAME: Final = re.compile(r"""\s*name:\s*["']?([^"'\s#]+)""")

_TARGET: Final = re.compile(r"\s*(forward-addr|stub-addr|forward-host|stub-host):\s*(\S+)")


def adaptedUnbound(text: str, port: int, folder: str, upstreams: Sequence[int]) -> str:
    """
    Rewrite addresses, ports and paths of a configuration, so that it works on loopback.

    @param upstreams: the ports of the upstreams; the first is that for all names without servers of their own.
    """
    lines: list[str] = []
    numbers: dict[str, int] = {".": 0}
    zone, hasTarget = "", False
    for line in text.splitlines():
        if _SECTION.match(line):
            zone, hasTarget = "", False
        name = _NAME.match(line)
        if name is not None:
            zone = name[1] if name[1] == "." else name[1].rstrip(".").lower()
            numbers.setdefault(zone, len(numbers) % (len(upstreams) - 1) + 1)
        target = _TARGET.match(line)
        if target is not None:
            # Each upstream has answers of its own, so a zone has one of them.
            if not hasTarget:
                lines.append(f"{target[1].replace('host', 'addr')}: 127.0.0.1@{upstreams[numbers.get(zone, 0)]}")
            hasTarget = True
        elif not _LEFT_OUT.match(line):
            lines.append(line)
    if not re.search(r"""^\s*name:\s*["']?\.["']?\s*(?:#.*)?$""", text, re.MULTILINE):
        lines += ["forward-zone:", 'name: "."', f"forward-addr: 127.0.0.1@{upstreams[0]}"]
    lines += [
        "server:", f"interface: 127.0.0.1@{port}", f"port: {port}", f'directory: "{folder}"', 'username: ""', 'chroot: ""', 'pidfile: ""',
        'logfile: ""', "use-syslog: no", "do-daemonize: no", "num-threads: 1", "access-control: 127.0.0.0/8 allow",
        "do-not-query-localhost: no", 'module-config: "iterator"', "remote-control:", "control-enable: no",
    ]  # fmt: skip
    return "\n".join([*lines, ""])


def _convertedFile(folder: Path, name: str, text: str, kind: str) -> Converted:
    path = folder / name
    path.write_text(text, "utf-8")
    return convertFile(str(path), formatNamed(kind))


def compareUnbound(text: str, count: int) -> Comparison:
    """
    @param text: the configuration of Unbound.
    @param count: the number of questions.
    """
    with tempfile.TemporaryDirectory() as name, FakeUpstreams(_UPSTREAMS) as upstreams:
        folder = Path(name)

        def configure(peer: LivePeer) -> str:
            return adaptedUnbound(text, peer.port, str(peer.folder), upstreams.ports)

        with ForwardingPeer("unbound", ["-d"], configure, "127.0.0.1", {}) as theirs:
            port = freePort("127.0.0.1")
            adapted = adaptedUnbound(text, port, name, upstreams.ports)
            converted = _convertedFile(folder, "unbound.conf", adapted, "unbound")
            return _compared(theirs.port, port, folder, converted, questionsFor(_plain(text), count))


def _plain(text: str) -> str:
    """
    Return the lines of a configuration that are not comments.
    """
    return "\n".join([line for line in text.splitlines() if not line.lstrip().startswith(("#", "//", "*"))])


def _compared(theirs: int, ours: int, folder: Path, converted: Converted, questions: Sequence[Question]) -> Comparison:
    result = Comparison(converted, len(questions))
    with ourServer(folder, tomlOf(converted), ours) as server:
        zones = converted.values.get("zone", [])
        for zone in zones if isinstance(zones, list) else []:
            # Zones are loaded while the server answers.
            wait(partial(_isLoaded, ours, str(zone["name"])), server)
        result.differences = list(differencesOf(theirs, ours, questions, explainedBy(_RULES, converted)))
    return result


def _isLoaded(port: int, zone: str) -> bool:
    return answerOf(port, Question(zone, "SOA")).rcode != "SERVFAIL"


# -- named

#: Statements of options that name what only the original machine has.
_OPTIONS_LEFT_OUT: Final = frozenset(
    """
    directory listen-on listen-on-v6 port pid-file session-keyfile managed-keys-directory bindkeys-file dump-file statistics-file
    memstatistics-file recursing-file secroots-file forwarders dnssec-validation query-source query-source-v6 transfer-source notify
    also-notify dnssec-policy inline-signing key-directory auto-dnssec response-policy catalog-zones geoip-directory dnssec-enable
    dnssec-lookaside dnssec-dnskey-kskonly allow-new-zones auth-nxdomain blackhole tls-port https-port allow-update-forwarding
    """.split()
)

_TOP_LEFT_OUT: Final = frozenset(
    "controls logging statistics-channels include key server trust-anchors managed-keys trusted-keys dnssec-keys tls http".split()
)

_ZONE_TEXT: Final = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
@ A 9.200.0.1
@ MX 10 mail
ns A 9.200.0.2
mail A 9.200.0.3
www CNAME @
four A 9.200.0.4
a.b TXT "below an empty name"
*.wild A 9.200.0.5
1 PTR host.example.
"""


def adaptedNamed(text: str, path: str, port: int, folder: Path, upstreams: Sequence[int]) -> str:
    """
    Rewrite addresses, ports and paths of a configuration; its zones get files with records of their own.

    @param path: that of the configuration, for what it includes.
    """
    ignored = Converted("named", path)
    statements = parsed(text, path, _Beside(str(Path(path).parent)), ignored)
    lines: list[str] = []
    zones = 0
    for statement in statements:
        if statement.name == "options":
            lines.append(_optionsText(statement.inside, port, folder, upstreams[0]))
        elif statement.name == "zone" and (adapted := _zoneText(statement, folder, upstreams[zones % (len(upstreams) - 1) + 1])):
            zones += 1
            lines.append(adapted)
        elif statement.name not in _TOP_LEFT_OUT and statement.name != "zone":
            lines.append(_textOf(statement))
    if not any(statement.name == "options" for statement in statements):
        lines.insert(0, _optionsText([], port, folder, upstreams[0]))
    return "\n".join([*lines, 'controls { };', ""])


class _Beside(Includes):
    """
    Finds files by their names alone, in the folder of the configuration.
    """

    def pathOf(self, path: str) -> str:
        return str(Path(self.folder) / Path(path).name)


def _word(text: str) -> str:
    return text if re.fullmatch(r"[\w.:/*!-]+", text) else f'"{text}"'


def _textOf(statement: Statement) -> str:
    parts = [_word(word) if index else word for index, word in enumerate(statement.words)]
    if statement.block is not None:
        parts.append(f"{{ {' '.join([_textOf(each) for each in statement.block])} }}")
    return f"{' '.join(parts)};"


def _optionsText(inside: Sequence[Statement], port: int, folder: Path, upstream: int) -> str:
    kept = [_textOf(each) for each in inside if each.name not in _OPTIONS_LEFT_OUT]
    forwards = next((each for each in inside if each.name == "forwarders"), None)
    said = [
        f'directory "{folder}"', f'pid-file "{folder}/named.pid"', f'session-keyfile "{folder}/session.key"',
        f'managed-keys-directory "{folder}"', f"listen-on port {port} {{ 127.0.0.1; }}", "listen-on-v6 { none; }", "dnssec-validation no",
        "notify no", f"forwarders {{ 127.0.0.1 port {upstream}; }}",
    ]  # fmt: skip
    if forwards is None and not any(each.name == "forward" for each in inside):
        # No query may leave the machine.
        said.append("forward only")
    return f"options {{ {' '.join([f'{each};' for each in said])} {' '.join(kept)} }};"


def _zoneText(statement: Statement, folder: Path, upstream: int) -> str:
    own = {each.name: each for each in statement.inside}
    kind = own["type"].value.lower() if "type" in own else ""
    name = statement.value
    if kind in ("master", "primary", "slave", "secondary"):
        # Its primary is not here.
        file = folder / f"{re.sub('[^A-Za-z0-9.-]', '-', name)}.zone"
        file.write_text(_ZONE_TEXT)
        return f'zone "{name}" {{ type primary; file "{file}"; }};'
    if kind == "forward" and own.get("forwarders") is not None and own["forwarders"].inside:
        return f'zone "{name}" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {upstream}; }}; }};'
    return ""


def compareNamed(text: str, count: int, path: str = "/named.conf") -> Comparison:
    """
    @param path: that of the configuration, for what it includes.
    """
    with tempfile.TemporaryDirectory() as name, FakeUpstreams(_UPSTREAMS) as upstreams:
        folder = Path(name)
        # As root, named would become another user.
        folder.chmod(0o755)

        def configure(peer: LivePeer) -> str:
            return adaptedNamed(text, path, peer.port, peer.folder, upstreams.ports)

        with ForwardingPeer("named", ["-g", "-n", "1"], configure, "127.0.0.1", {}) as theirs:
            port = freePort("127.0.0.1")
            adapted = adaptedNamed(text, path, port, folder, upstreams.ports)
            converted = _convertedFile(folder, "named.conf", adapted, "named")
            return _compared(theirs.port, port, folder, converted, questionsFor(_namesOf(adapted), count))


def _namesOf(adapted: str) -> str:
    """
    Return a text with the names to ask for: those of zones, and names that are in their files.
    """
    zones = re.findall(r'^zone "([^"]+)"', adapted, re.MULTILINE)
    names = [f"{prefix}{zone}" for zone in zones if zone != "." for prefix in ("", "www.", "four.", "x.wild.", "a.b.", "b.", "nx9.")]
    # The others are public ones: refused, or from the upstream.
    names += [f"{prefix}public.example.net" for prefix in ("", "www.", "nx1.", "alias.", "four.")]
    return "\n".join([*names, "10.1.2.3", "9.9.9.9"])


# -- CoreDNS

_TO: Final = re.compile(r"^(\s*forward\s+\S+)\s+([^{\n]+?)\s*(\{?)\s*$", re.MULTILINE)


def adaptedCorefile(text: str, upstreams: Sequence[int]) -> str:
    """
    Rewrite upstreams of a configuration, and leave out what only the original machine has.
    """
    number = 0

    def forwarded(found: re.Match[str]) -> str:
        nonlocal number
        number += 1
        return f"{found[1]} 127.0.0.1:{upstreams[number % len(upstreams)]} {found[3]}"

    local = re.compile(r"\s*(?:bind|prometheus|health|ready|pprof|tls|tls_servername|root)\b")
    kept = [line for line in text.splitlines() if not local.match(line)]
    return _TO.sub(forwarded, "\n".join([*kept, ""]))


def compareCoredns(text: str, count: int) -> Comparison:
    """
    Compare with the upstream to which CoreDNS's documentation sends each name: that of the block with the longest matching zone; a name
    without one is refused. Names of blocks that do not forward are left out.
    """
    from twisted_ext.apps.cli.convert.coredns.syntax import parsed as corefile

    with tempfile.TemporaryDirectory() as name, FakeUpstreams(_UPSTREAMS) as upstreams:
        folder = Path(name)
        port = freePort("127.0.0.1")
        adapted = adaptedCorefile(text, upstreams.ports)
        path = folder / "Corefile"
        path.write_text(adapted)
        ports: dict[str, int | None] = {}
        for server in corefile(adapted, str(path), Includes(name), Converted("coredns", str(path))):
            to = next((each for each in server.directives if each.name == "forward"), None)
            for key in server.keys:
                zone = key.partition("://")[2] or key
                zone = zone.rpartition(":")[0] if re.search(r":\d+$", zone) else zone
                ports.setdefault(zone.strip(".").lower(), int(to.values[1].rpartition(":")[2]) if to is not None else None)
        converted = convertFile(str(path), formatNamed("coredns"))
        converted.values["port"], converted.places["port"] = port, []
        converted.values["interface"], converted.places["interface"] = ["127.0.0.1"], converted.places.get("role", [])[:1]
        questions = [each for each in questionsFor(_plain(text), count) if not each.name.endswith(_SPECIAL)]
        result = Comparison(converted, 0)
        with ourServer(folder, tomlOf(converted), port):
            for question in questions:
                labels = question.name.split(".")
                zones = [each for start in range(len(labels) + 1) if (each := ".".join(labels[start:])) in ports]
                upstream = ports[zones[0]] if zones else None
                if zones and upstream is None:
                    continue
                result.asked += 1
                theirs = Answered("REFUSED", frozenset()) if upstream is None else answerOf(upstream, question)
                ours = answerOf(port, question)
                if theirs != ours:
                    result.differences.append(Difference(question, theirs, ours, ""))
    return result


#: Names that are answered here, whatever the configuration says.
_SPECIAL: Final = ("localhost", "127.in-addr.arpa")

# -- folders

_COMPARE: Final[dict[str, Callable[[str, int, str], Comparison]]] = {
    "unbound": lambda text, count, path: compareUnbound(text, count),
    "named": compareNamed,
    "coredns": lambda text, count, path: compareCoredns(text, count),
}


def compared(path: Path, count: int) -> Comparison | None:
    """
    Compare one configuration; L{None} if its format is another one.
    """
    text = path.read_text("utf-8", "replace")
    found = detected(str(path), text)
    if found is None or found.word not in _COMPARE:
        return None
    return _COMPARE[found.word](text, count, str(path))


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Compare answers with those of the converted configuration.")
    parser.add_argument("folder", type=Path, help="the folder of configurations")
    parser.add_argument("--questions", type=int, default=500, help="questions for each configuration")
    given = parser.parse_args(words)
    unexplained = 0
    for path in sorted(given.folder.rglob("*")):
        result = compared(path, given.questions) if path.is_file() else None
        if result is not None:
            sys.stdout.write("\n".join([*reportOf(str(path.relative_to(given.folder)), result), ""]))
            unexplained += len(result.unexplained)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
