"""
C{txdns convert} knows all options of the installed dnsmasq.
"""

from __future__ import annotations

import re
import subprocess
from typing import Final

from tests.apps.cli.convert.folders import converted
from tests.peers import peer

__all__: list[str] = []

#: Values of options that do nothing without one, or nothing with any.
_VALUES: Final = {
    "addn-hosts": __file__,
    "address": "/lan/192.0.2.1",
    "cache-size": "500",
    "caa-record": "a.lan,0,issue,ca.example",
    "cname": "a.lan,b.lan",
    "conf-dir": "/etc/none",
    "conf-file": "/etc/none",
    "dns-rr": "a.lan,16,0161",
    "domain": "lan",
    "filter-rr": "TXT",
    "host-record": "a.lan,192.0.2.1",
    "hostsdir": "/etc/none",
    "interface": "lo",
    "listen-address": "127.0.0.1",
    "local": "/lan/",
    "local-ttl": "60",
    "max-cache-ttl": "60",
    "max-tcp-connections": "50",
    "max-ttl": "60",
    "min-cache-ttl": "60",
    "mx-host": "lan,mail.lan,5",
    "mx-target": "mail.lan",
    "naptr-record": "a.lan,1,1,u,E2U+sip,!^.*$!sip:a@b.example!",
    "port": "5353",
    "ptr-record": "a.lan,b.lan",
    "rebind-domain-ok": "/lan/",
    "resolv-file": "/etc/hosts",
    "rev-server": "192.0.2.0/24,127.0.0.1",
    "server": "192.0.2.53",
    "servers-file": "/etc/none",
    "srv-host": "_a._tcp.lan,b.lan,80",
    "trust-anchor": ".,20326,8,2,00",
    "txt-record": "a.lan,text",
    "use-stale-cache": "60",
}


def test_everyOptionIsKnown() -> None:
    """
    Each option that C{dnsmasq --help} lists becomes settings, or a finding that says why it does not.
    """
    listed = subprocess.run([peer("dnsmasq"), "--help"], capture_output=True, text=True, check=True).stdout
    options = sorted(set(re.findall(r"^(?:-.,|   ) --([a-zA-Z0-9-]+)", listed, re.MULTILINE)))
    assert len(options) > 150
    for option in options:
        value = _VALUES.get(option)
        line = option if value is None else f"{option}={value}"
        result = converted("dnsmasq", f"{line}\n", {"/etc/hosts": "192.0.2.9 b.lan\n"})
        about = [finding.reason for finding in result.findings if finding.place.line == 1]
        assert "dnsmasq has no such option" not in about, option
        used = any(place.line == 1 for places in result.places.values() for place in places)
        assert used or about, option


def test_samplesAreValid() -> None:
    """
    dnsmasq itself accepts the lines that the other test converts.
    """
    text = "".join([f"{option}={value}\n" for option, value in _VALUES.items() if "/etc/none" not in value])
    subprocess.run([peer("dnsmasq"), "--test", "--conf-file=/dev/stdin"], input=text, text=True, check=True, stderr=subprocess.DEVNULL)
