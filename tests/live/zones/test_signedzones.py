"""
Zones that were signed here, served by this server, and validated by resolvers of others and by our own.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.twistds import REPLY, Twistd
from tests.peers import LivePeer, peer, unbound
from tests.queries import optOf
from tests.zone.sign.zones import builderOf, randomZone
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile
from twisted_ext.dnssec.privatekeys.keyfolder import saveKey
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, newKey
from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import AD, RD, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import isBelow, nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rdata.text import recordToText
from twisted_ext.wire.rrtypes import DNAME, DS, NS
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.sign.whole import signWhole
from twisted_ext.zone.zonefile.writer import signedFile

_TYPES = ("A", "AAAA", "TXT", "MX", "NS", "SOA", "DNSKEY", "CNAME", "DNAME")


class SignedZone:
    """
    A random zone, signed.
    """

    def __init__(self, seed: int, folder: Path, byBIND: bool = False) -> None:
        self.name = f"z{seed}.test"
        self.apex = nameFromText(self.name)
        self.records = randomZone(seed, 20, self.apex, f"ns.{self.name}.")
        self.denial = DENIALS[seed % 3]
        self.key: PrivateKey = newKey((13, 15, 14)[seed % 3 if seed % 5 == 0 else 0])
        self.path = folder / f"{self.name}.signed"
        self.ds = rdataToText(DS, self.key.ds(self.apex))
        if byBIND:
            self._signByBIND(folder / self.name)
            return
        builder = builderOf(self.records, self.apex)
        signWhole(builder, Signing(Signers((self.key,)), SigningPolicy(denial=self.denial)), time.time())
        self.path.write_text("".join(signedFile(builder.apexName, builder.nodes.items())))

    def _signByBIND(self, folder: Path) -> None:
        folder.mkdir()
        times = dict.fromkeys(("Created", "Publish", "Activate"), 1)
        saveKey(KeyFile(self.apex, self.key, times, {}, None), str(folder))
        plain = folder / "plain"
        plain.write_text("".join([f"{line}\n" for rrset in self.records for line in recordToText(rrset)]))
        chains: dict[str, list[str]] = {"nsec": [], "nsec3": ["-3", "-"], "nsec3-opt-out": ["-3", "-", "-A"]}
        command = [str(peer("dnssec-signzone")), "-P", "-z", "-S", *chains[self.denial], "-o", self.name, "-K", str(folder)]
        command += ["-f", str(self.path), str(plain)]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)

    def questions(self, count: int, dice: random.Random) -> list[tuple[str, str, bool]]:
        """
        Return names and types, none of which leads out of the zone, and whether the answer to each is proved to be so.
        """
        cuts = [each.name.lower() for each in self.records if each.rrType == NS and each.name.lower() != self.apex]
        hidden = [each.name.lower() for each in self.records if each.rrType == DNAME]
        names = [nameToText(each.name) for each in self.records if not self._isBelow(each.name, [*cuts, *hidden])]
        found: list[tuple[str, str, bool]] = []
        while len(found) < count:
            name = dice.choice(names)
            if dice.random() < 0.5:
                name = f"{dice.choice(('q', 'a', 'zz', '0', 'b.q'))}.{name}"
            isCut = nameFromText(name).lower() in cuts
            if self._isBelow(nameFromText(name), cuts):
                continue
            # An opted-out delegation may be where a name is denied, so that nothing proves that it is not there.
            found.append((name, "DS" if isCut else dice.choice(_TYPES), self.denial != "nsec3-opt-out"))
        return found

    @staticmethod
    def _isBelow(name: bytes, above: Sequence[bytes]) -> bool:
        return any(name.lower() != each and isBelow(name.lower(), each) for each in above)


def named(zones: Sequence[SignedZone], port: int) -> LivePeer:
    def configure(server: LivePeer) -> str:
        anchors = []
        for zone in zones:
            tag, algorithm, digestType, digest = zone.ds.split()
            anchors.append(f'{zone.name}. static-ds {tag} {algorithm} {digestType} "{digest}";')
        forwarding = [f'zone "{each.name}" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {port}; }}; }};' for each in zones]
        lines = [
            "options {",
            f'  directory "{server.folder}"; pid-file "{server.folder}/named.pid"; session-keyfile "{server.folder}/session.key";',
            f'  managed-keys-directory "{server.folder}";',
            f"  listen-on port {server.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};",
            "  recursion yes; allow-query { any; }; dnssec-validation yes; empty-zones-enable no; notify no; max-cache-size 64m;",
            "};",
            f"trust-anchors {{ {' '.join(anchors)} }};",
            "controls { };",
            *forwarding,
        ]
        return "\n".join([*lines, ""])

    return LivePeer("named", ["-4", "-f", "-n", "1"], configure, "127.0.0.1", {})


def recursor(zones: Sequence[SignedZone], port: int) -> LivePeer:
    def configure(server: LivePeer) -> str:
        script = server.folder / "anchors.lua"
        script.write_text("clearTA()\n" + "".join([f'addTA("{each.name}", "{each.ds}")\n' for each in zones]))
        lines = [
            "local-address=127.0.0.1", f"local-port={server.port}", f"socket-dir={server.folder}", "threads=1",
            "pdns-distributes-queries=no", "dnssec=validate", f"lua-config-file={script}", "dont-query=", "daemon=no", "quiet=yes",
            "disable-syslog=yes", "loglevel=3", "security-poll-suffix=",
            f"forward-zones={','.join([f'{each.name}=127.0.0.1:{port}' for each in zones])}",
        ]  # fmt: skip
        (server.folder / "recursor.conf").write_text("\n".join([*lines, ""]))
        return ""

    return _Recursor("pdns_recursor", [], configure, "127.0.0.1", {})


class _Recursor(LivePeer):
    @property
    def _command(self) -> list[str]:
        return [str(self.executable), f"--config-dir={self.folder}"]


def resolvers(stack: ExitStack, zones: Sequence[SignedZone], folder: Path, port: int) -> dict[str, int]:
    """
    Start the resolvers; return the port of each.
    """
    anchor = folder / "anchors"
    anchor.write_text("".join([f"{each.name}. IN DS {each.ds}\n" for each in zones]))
    (folder / "ours").mkdir()
    extra = ["domain-insecure: none.invalid", *[f'trust-anchor: "{each.name}. DS {each.ds}"' for each in zones]]
    extra += [f'local-zone: "{each.name}." nodefault' for each in zones] + ['local-zone: "test." nodefault']
    ours = Twistd(folder / "ours", "--upstream", f"validate:(udp:127.0.0.1:{port}):anchor={anchor}")
    found = {
        "unbound": stack.enter_context(unbound(forwardTo=[("127.0.0.1", port)], extra="\n".join(extra))).port,
        "named": stack.enter_context(named(zones, port)).port,
        "pdns_recursor": stack.enter_context(recursor(zones, port)).port,
        "ours": stack.enter_context(ours).port,
    }
    return found


def ask(port: int, name: str, kind: str) -> Message:
    query = os.urandom(2) + buildQuery(RD | AD, questionOf(name, kind).toWire(), optOf(flags=0x8000))
    for _ in range(3):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(REPLY)
            asking.connect(("127.0.0.1", port))
            asking.send(query)
            try:
                return Message.fromWire(asking.recv(65535))
            except TimeoutError:
                continue
    raise AssertionError(f"no reply: {name} {kind}")


def bogus(folder: Path, seeds: range, count: int, byBIND: bool = False) -> tuple[list[str], int]:
    """
    Sign zones, serve them, and ask each resolver questions about each.

    @return: the answers that are wrong, and how many there were.
    """
    folder.mkdir(exist_ok=True)
    zones = [SignedZone(seed, folder, byBIND) for seed in seeds]
    (folder / "serving").mkdir()
    words = [word for zone in zones for word in ("--zone", f"{zone.name}={zone.path}")]
    wrong: list[str] = []
    asked = 0
    with ExitStack() as stack:
        server = stack.enter_context(Twistd(folder / "serving", "serve", *words))
        for program, port in resolvers(stack, zones, folder, server.port).items():
            dice = random.Random(seeds.start)
            for zone in zones:
                for name, kind, isProved in zone.questions(count, dice):
                    reply = ask(port, name, kind)
                    asked += 1
                    if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN) or (isProved and not reply.flags & AD):
                        wrong.append(f"{program}: {name} {kind}: rcode {reply.rcode}, flags {reply.flags:x}")
    return wrong, asked


def test_resolversValidate(tmp_path: Path) -> None:
    """
    Unbound, BIND, PowerDNS and this package's resolver validate answers about zones that were signed here, denials among them.
    """
    wrong, asked = bogus(tmp_path, range(6), 25)
    assert wrong == []
    assert asked == 4 * 6 * 25


@pytest.mark.long
def test_manyAnswers(tmp_path: Path) -> None:
    """
    They validate 20,000, but for some that they find bogus as well if dnssec-signzone has signed the same zones: Unbound cannot prove that
    a name below a DNAME record has no CNAME of its own, and PowerDNS fails at names below wildcards.
    """
    wrong, asked = bogus(tmp_path / "ours", range(100, 150), 100)
    assert asked == 20_000
    assert [each for each in wrong if not each.startswith(("unbound: ", "pdns_recursor: "))] == []
    assert len(wrong) < asked / 100
    assert wrong == bogus(tmp_path / "theirs", range(100, 150), 100, byBIND=True)[0]
