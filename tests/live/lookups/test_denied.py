"""
Names that are denied for what their answers have, beside dnsmasq and named.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import dns.message
import dns.query
import dns.rcode

from tests.live.convert.comparing import ForwardingPeer, compareDnsmasq, ourServer
from tests.live.convert.upstreams import FakeUpstreams
from tests.peers import freePort
from twisted_ext.apps.cli.convert.command import convertFile, formatNamed, tomlOf

__all__: list[str] = []

_NAMES = [*[f"{host}.n{number}.example" for host in ("www", "alias", "nx", "four") for number in range(25)]]


def test_namesAreDeniedAsDnsmasqDoes() -> None:
    """
    Of 300 questions, those for names that dnsmasq denies for their addresses are denied; their other types are not, as the converter says.
    """
    result = compareDnsmasq("server=10.0.0.1\nbogus-nxdomain=9.0.0.0/9\nbogus-nxdomain=9.0.200.0/24\nbogus-nxdomain=9.0.129.7\n", 300)
    # A name of the hosts file exists.
    found = [each for each in result.differences if each.question.rrType == "A" and each.question.name != "six.example"]
    assert [(each.question, each.theirs, each.ours) for each in found] == []
    assert any("other types" in finding.reason for finding in result.converted.findings)
    assert result.asked >= 300


def _rcodeOf(port: int, name: str) -> dns.rcode.Rcode:
    return dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", 5.0, port).rcode()


class _Named(ForwardingPeer):
    def _answers(self, zone: str | None) -> bool:
        return " running\n" in self.log()


def test_namesAreDeniedThatNamedRefuses(tmp_path: Path) -> None:
    """
    Names for which named says SERVFAIL, for their addresses or for what they are aliases of, do not exist; all others are answered.
    """
    random = Random(7)
    networks = " ".join([f"9.0.{64 * number}.0/18;" for number in random.sample(range(4), 2)])
    aliases = " ".join([f'"real.n{number}.example";' for number in random.sample(range(25), 6)])
    excepted = " ".join([f'"n{number}.example";' for number in random.sample(range(25), 4)])
    with FakeUpstreams(1) as upstreams:

        def text(folder: Path, port: int) -> str:
            folder.chmod(0o755)
            return (
                f'options {{ directory "{folder}"; pid-file none; session-keyfile none; dnssec-validation no; recursion yes;'
                f" listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; allow-recursion {{ any; }};"
                f" forward only; forwarders {{ 127.0.0.1 port {upstreams.ports[0]}; }};"
                f" deny-answer-addresses {{ {networks} }} except-from {{ {excepted} }};"
                f" deny-answer-aliases {{ {aliases} }} except-from {{ {excepted} }}; }};\ncontrols {{ }};\n"
            )

        port = freePort("127.0.0.1")
        path = tmp_path / "named.conf"
        path.write_text(text(tmp_path, port))
        converted = convertFile(str(path), formatNamed("named"))
        denied = 0
        with (
            _Named("named", ["-g", "-n", "1"], lambda peer: text(peer.folder, peer.port), "127.0.0.1", {}) as theirs,
            ourServer(tmp_path, tomlOf(converted), port),
        ):
            for name in _NAMES:
                there, here = _rcodeOf(theirs.port, name), _rcodeOf(port, name)
                assert here == (dns.rcode.NXDOMAIN if there == dns.rcode.SERVFAIL else there), name
                denied += there == dns.rcode.SERVFAIL
        assert 10 < denied < 70
