"""
Live tests of the HTTP API by programs of other projects, as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.live.zones.test_api import Api
from tests.live.zones.test_updates import ask, found, serialOf
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import MX, TXT, A

#: Records that octoDNS makes.
_COUNT = 2000

_OCTODNS = """
providers:
  zones:
    class: octodns.provider.yaml.YamlProvider
    directory: {folder}/zones
    enforce_order: false
  server:
    class: octodns_powerdns.PowerDnsProvider
    host: 127.0.0.1
    port: {port}
    api_key: {secret}
zones:
  example.org.:
    sources: [zones]
    targets: [server]
"""


@pytest.fixture(params=["unsigned", "signed"])
def api(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Api]:
    made = Api(tmp_path, request.param == "signed")
    made.begin()
    yield made
    made.twistd.stop()


def run(folder: Path, *words: str) -> str:
    """
    Run a program of Python, and return what it says.
    """
    environment = {**os.environ, "HOME": str(folder), "TLDEXTRACT_CACHE": str(folder / "cache"), "no_proxy": "*"}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def expectInstalled(package: str) -> None:
    """
    Skip the test if a package is missing. It is not imported here: its modules warn when others look at them.
    """
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


def test_octoDNS(api: Api, tmp_path: Path) -> None:
    """
    octoDNS makes a zone what its file says, in one change, and finds nothing to do then; also after some of it has changed.
    """
    expectInstalled("octodns_powerdns")
    (tmp_path / "zones").mkdir()
    lines = ["'':", "  - {type: MX, ttl: 300, values: [{preference: 10, exchange: mail.example.org.}]}"]
    lines += ["mail: {type: A, ttl: 60, value: 192.0.2.25}"]
    lines += [f"h{number}: {{type: A, ttl: 60, values: [192.0.2.{number % 250}]}}" for number in range(_COUNT)]
    lines += ["text: {type: TXT, ttl: 60, value: 'v=spf1 -all'}", "alias: {type: CNAME, ttl: 60, value: www.example.net.}"]
    (tmp_path / "zones" / "example.org.yaml").write_text("\n".join(lines))
    (tmp_path / "octodns.yaml").write_text(_OCTODNS.format(folder=tmp_path, port=api.port, secret=api.secrets["all"]))
    words = ("-m", "octodns.cmds.sync", "--config-file", str(tmp_path / "octodns.yaml"))
    assert f"Creates={_COUNT + 4}" in run(tmp_path, *words, "--doit", "--force")
    assert serialOf(api.server) == 11
    assert found(api.server, f"h{_COUNT - 1}.example.org", A) == {f"192.0.2.{(_COUNT - 1) % 250}"}
    assert found(api.server, "example.org", MX) == {"10 mail.example.org."}
    assert ask(api.server, "www.example.org", A).rcode == Rcode.NXDOMAIN
    assert "No changes were planned" in run(tmp_path, *words)
    lines[3] = lines[3].replace("192.0.2.0", "192.0.2.251")
    del lines[10]
    (tmp_path / "zones" / "example.org.yaml").write_text("\n".join(lines))
    run(tmp_path, *words, "--doit", "--force")
    assert serialOf(api.server) == 12
    assert found(api.server, "h0.example.org", A) == {"192.0.2.251"}
    assert "No changes were planned" in run(tmp_path, *words)


#: A record of each type that octoDNS and this server know, and texts that are hard to quote.
_EACH_TYPE = r"""
'':
  - {type: MX, ttl: 300, values: [{preference: 10, exchange: mail.new.example.}, {preference: 20, exchange: .}]}
  - {type: NS, ttl: 300, values: [ns1.example.net., ns2.example.net.]}
  - {type: ALIAS, ttl: 60, value: www.example.net.}
  - type: CAA
    ttl: 60
    values: [{flags: 0, tag: issue, value: "ca.example.net; validationmethods=dns-01"}, {tag: iodef, value: "mailto:a@example.net"}]
  - type: HTTPS
    ttl: 60
    value: {svcpriority: 1, targetname: ., svcparams: {alpn: [h2, h3], ipv4hint: [192.0.2.1, 192.0.2.2], port: 8443}}
'*': {type: A, ttl: 60, value: 192.0.2.80}
a: {type: A, ttl: 60, values: [192.0.2.1, 192.0.2.2]}
aaaa: {type: AAAA, ttl: 60, values: ['2001:db8::1', '2001:db8:0:0:1:0:0:1']}
cname: {type: CNAME, ttl: 60, value: WWW.Example.NET.}
sub:
  - {type: NS, ttl: 60, value: ns1.example.net.}
  - {type: DS, ttl: 60, value: {key_tag: 60485, algorithm: 13, digest_type: 2, digest: DIGEST}}
loc:
  type: LOC
  ttl: 60
  value: {lat_degrees: 31, lat_minutes: 58, lat_seconds: 52.1, lat_direction: S,
    long_degrees: 115, long_minutes: 49, long_seconds: 11.7, long_direction: E,
    altitude: 20, size: 10, precision_horz: 10, precision_vert: 2}
naptr:
  type: NAPTR
  ttl: 60
  value: {order: 10, preference: 20, flags: S, service: 'SIP+D2U', regexp: '!^.*$!sip:info@new.example!', replacement: .}
ptr: {type: PTR, ttl: 60, value: host.example.net.}
_sip._tcp: {type: SRV, ttl: 60, value: {priority: 0, weight: 5, port: 5060, target: sip.example.net.}}
sshfp: {type: SSHFP, ttl: 60, value: {algorithm: 4, fingerprint_type: 2, fingerprint: DIGEST}}
_443._tcp:
  {type: TLSA, ttl: 60, value: {certificate_usage: 3, selector: 1, matching_type: 1, certificate_association_data: DIGEST}}
_8443._https: {type: SVCB, ttl: 60, value: {svcpriority: 0, targetname: svc.example.net.}}
_http._tcp: {type: URI, ttl: 60, value: {priority: 10, weight: 1, target: 'https://example.net/a?b=c&d=e'}}
text1: {type: TXT, ttl: 60, value: 'v=DKIM1\; k=rsa\; p=MIIB'}
text2: {type: TXT, ttl: 60, value: 'she said \"no\"'}
text3: {type: TXT, ttl: 60, value: 'TEXT'}
text4: {type: TXT, ttl: 60, values: ['grüße, 你好', 'two  spaces'], octodns: {lenient: true}}
""".replace("TEXT", 400 * "x").replace("DIGEST", 4 * "00112233445566AA")


def test_octoDNSKnowsEachType(api: Api, tmp_path: Path) -> None:
    """
    Records of each type read back as octoDNS has written them: it finds nothing to do, twice.
    """
    expectInstalled("octodns_powerdns")
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "new.example.yaml").write_text(_EACH_TYPE)
    config = _OCTODNS.format(folder=tmp_path, port=api.port, secret=api.secrets["all"]).replace("example.org.", "new.example.")
    (tmp_path / "octodns.yaml").write_text(config)
    words = ("-m", "octodns.cmds.sync", "--config-file", str(tmp_path / "octodns.yaml"))
    assert "Creates=23" in run(tmp_path, *words, "--doit", "--force")
    for _ in range(2):
        said = run(tmp_path, *words)
        assert "No changes were planned" in said, said


def test_octoDNSAddsZone(api: Api, tmp_path: Path) -> None:
    """
    octoDNS adds a zone that is not there yet, and finds nothing to do then.
    """
    expectInstalled("octodns_powerdns")
    (tmp_path / "zones").mkdir()
    lines = ["'': {type: NS, ttl: 300, values: [ns1.example.net., ns2.example.net.]}", "www: {type: A, ttl: 60, value: 192.0.2.80}"]
    (tmp_path / "zones" / "new.example.yaml").write_text("\n".join(lines))
    config = _OCTODNS.format(folder=tmp_path, port=api.port, secret=api.secrets["all"]).replace("example.org.", "new.example.")
    (tmp_path / "octodns.yaml").write_text(config)
    words = ("-m", "octodns.cmds.sync", "--config-file", str(tmp_path / "octodns.yaml"))
    assert "Creates=2" in run(tmp_path, *words, "--doit", "--force")
    assert found(api.server, "www.new.example", A) == {"192.0.2.80"}
    assert "No changes were planned" in run(tmp_path, *words)


def test_lexicon(api: Api, tmp_path: Path) -> None:
    """
    dns-lexicon, by which certbot answers challenges, makes, lists and removes a record; its token may change no other.
    """
    expectInstalled("lexicon")
    given = {"auth_token": api.secrets["acme"], "pdns_server": f"http://127.0.0.1:{api.port}", "pdns_server_id": "localhost"}
    config = {"provider_name": "powerdns", "domain": "example.org", "powerdns": given}

    def lexicon(work: str) -> str:
        # As certbot does. Its own command asks the resolver of the system which zone that is.
        program = f"""
from lexicon.client import Client
from lexicon.config import ConfigResolver
with Client(ConfigResolver().with_dict({config!r})) as zone:
    print(zone.{work})
"""
        return run(tmp_path, "-c", program)

    challenge = '("TXT", "_acme-challenge.example.org.", "token-of-a-challenge")'
    assert "True" in lexicon(f"create_record{challenge}")
    assert found(api.server, "_acme-challenge.example.org", TXT) == {'"token-of-a-challenge"'}
    assert "token-of-a-challenge" in lexicon('list_records("TXT", "_acme-challenge.example.org.")')
    assert "True" in lexicon(f"delete_record(None, *{challenge})")
    assert ask(api.server, "_acme-challenge.example.org", TXT).rcode == Rcode.NXDOMAIN
