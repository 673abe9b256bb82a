"""
The files of a test machine, and the records of its name server.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.client import reverseName
from twisted_ext.testing.servers import Reply

__all__ = ["FILES", "NAME", "RECORDS", "VARIANTS"]

#: The host name of the machine.
NAME: Final = "lonely.one.test"

_SERVFAIL: Final = 2
_NOTIMP: Final = 4
_REFUSED: Final = 5

#: The table of RFC 6724, section 2.1. The C library has that of RFC 3484.
_TABLE: Final = """\
label ::1/128 0
label ::/0 1
label ::ffff:0:0/96 4
label 2002::/16 2
label 2001::/32 5
label fc00::/7 13
label ::/96 3
label fec0::/10 11
label 3ffe::/16 12
precedence ::1/128 50
precedence ::/0 40
precedence ::ffff:0:0/96 35
precedence 2002::/16 30
precedence 2001::/32 5
precedence fc00::/7 3
precedence ::/96 1
precedence fec0::/10 1
precedence 3ffe::/16 1
"""

_SERVICES: Final = """\
# Numbers of services.
tcpmux          1/tcp
discard         9/tcp           sink null
discard         9/udp           sink null
ftp             21/tcp
domain          53/tcp
domain          53/udp
tftp            69/udp
http            80/tcp          www             # World Wide Web
syslog          514/udp
shell           514/tcp         cmd syslogish
https           443/tcp
https           443/udp
sipper          5060/tcp
sipper          5061/udp
both            7001/tcp
both            7002/udp
many            7100/tcp
many            7100/sctp
many            7100/dccp
many            7101/udplite
only            7200/sctp
late            80/tcp
"""

_HOSTS: Final = """\
127.0.0.1       localhost
::1             localhost ip6-localhost ip6-loopback
127.0.1.1       lonely.one.test lonely
10.20.30.5      filed.test.example filed  # an alias
10.20.30.6      several.test severals
192.0.2.66      several.test
2001:db8:1::66  several.test
2001:db8:2::7   six.test sixes
203.0.113.8     four.test fours
fe80::1%lo      scoped.test
300.1.1.1       wrong.test
  10.20.30.9    Indented.Test	tabbed.test
10.20.30.10     other.test Indented-alias.test
"""

FILES: Final[dict[str, str]] = {
    "hosts": _HOSTS,
    "resolv.conf": "nameserver 127.0.0.1\nsearch one.test two.test\noptions attempts:3 timeout:10\n",
    "nsswitch.conf": "hosts: files dns\nservices: files\nnetworks: files\nprotocols: files\n",
    "host.conf": "multi on\n",
    "gai.conf": _TABLE,
    "services": _SERVICES,
}

_IPV4: Final = ("10.20.30.40/24", "198.51.100.7/25")
_IPV6: Final = ("2001:db8:1::7/64", "fd00:1::7/64")

#: Kinds of machines: their addresses beside those of the loopback interface, and the files that differ.
VARIANTS: Final[dict[str, tuple[tuple[str, ...], dict[str, str]]]] = {
    "both": (_IPV4 + _IPV6, {}),
    "alone": ((), {"resolv.conf": "nameserver 127.0.0.1\noptions attempts:3 timeout:10\n"}),
    "old": (
        _IPV4,
        {
            "resolv.conf": "nameserver 127.0.0.1\nsearch one.test two.test\noptions ndots:2 attempts:3 timeout:10\n",
            "gai.conf": "precedence ::ffff:0:0/96  100\n",
        },
    ),
    "new": (_IPV6, {}),
}


#: The records of the server.
RECORDS: Final[dict[tuple[str, str], Reply]] = {
    ("www.test.example", "A"): "192.0.2.80",
    ("www.test.example", "AAAA"): "2001:db8::80",
    ("Mixed.Test.Example", "A"): "192.0.2.81",
    ("a.test.example", "A"): ["192.0.2.1", "10.20.30.77", "198.51.100.9", "203.0.113.1", "10.20.30.41", "169.254.7.7", "127.0.0.5"],
    ("many.test.example", "A"): ["203.0.113.5", "10.20.30.50"],
    ("many.test.example", "AAAA"): [
        "fe80::5",
        "2001:db8:1::99",
        "2002:c000:201::1",
        "fd00:1::99",
        "2001:0:1::1",
        "2001:db8:9::1",
        "fec0::1",
        "::1",
        "::192.0.2.1",
        "::ffff:192.0.2.9",
        "3ffe::1",
    ],
    ("aaaa.test.example", "AAAA"): ["2001:db8:7::1", "2001:db8:1::8"],
    ("ula.test.example", "A"): "192.0.2.82",
    ("ula.test.example", "AAAA"): "fd00:2::1",
    ("nothing.test.example", "TXT"): '"no address"',
    ("alias.test.example", "CNAME"): "alias2.test.example.",
    ("alias2.test.example", "CNAME"): "www.test.example.",
    ("toaaaa.test.example", "CNAME"): "aaaa.test.example.",
    ("tonothing.test.example", "CNAME"): "nothing.test.example.",
    ("tonowhere.test.example", "CNAME"): "gone.test.example.",
    ("broken.test.example", "A"): _SERVFAIL,
    ("broken.test.example", "AAAA"): _SERVFAIL,
    ("halfbroken.test.example", "A"): "192.0.2.83",
    ("halfbroken.test.example", "AAAA"): _SERVFAIL,
    ("otherhalf.test.example", "A"): _SERVFAIL,
    ("otherhalf.test.example", "AAAA"): "2001:db8::83",
    ("emptyhalf.test.example", "A"): _SERVFAIL,
    ("emptyhalf2.test.example", "AAAA"): _SERVFAIL,
    ("refused.test.example", "A"): _REFUSED,
    ("refused.test.example", "AAAA"): _REFUSED,
    ("notimp.test.example", "A"): "192.0.2.84",
    ("notimp.test.example", "AAAA"): _NOTIMP,
    ("formerr.test.example", "A"): 1,
    ("formerr.test.example", "AAAA"): 1,
    # Names that fail as written, and are found by the search list.
    ("refused.test.example.two.test", "A"): "192.0.2.98",
    ("formerr.test.example.one.test", "AAAA"): "2001:db8::98",
    ("emptyhalf.test.example.one.test", "A"): "192.0.2.99",
    ("broken.test.example.two.test", "A"): "192.0.2.99",
    ("broken.test.example.two.test", "AAAA"): "2001:db8::99",
    ("bad!name.test.example", "A"): "192.0.2.85",
    ("nothing!.test.example", "TXT"): '"no address"',
    ("both!.test.example", "A"): "192.0.2.85",
    ("both!.test.example", "AAAA"): "2001:db8::85",
    ("under_score.test.example", "A"): "192.0.2.86",
    ("-dash.test.example", "A"): "192.0.2.87",
    ("tobad.test.example", "CNAME"): "bad!name.test.example.",
    ("under.one.test", "A"): "192.0.2.88",
    ("both.one.test", "A"): "192.0.2.89",
    ("both.two.test", "A"): "192.0.2.90",
    ("both.two.test", "AAAA"): "2001:db8::90",
    ("late.two.test", "AAAA"): "2001:db8::91",
    ("deep.er.two.test", "A"): "192.0.2.92",
    ("broken.one.test", "A"): _SERVFAIL,
    ("broken.one.test", "AAAA"): _SERVFAIL,
    ("broken.two.test", "A"): "192.0.2.93",
    ("empty.one.test", "TXT"): '"nothing"',
    ("xn--bcher-kva.test.example", "A"): "192.0.2.94",
    ("xn--bcher-kva.test.example", "AAAA"): "2001:db8::94",
    ("toplevel", "A"): "192.0.2.95",
    ("double.test.example", "A"): ["192.0.2.96", "192.0.2.97"],
    ("localhost", "A"): "127.0.0.1",
    ("localhost", "AAAA"): "::1",
    ("sub.localhost", "A"): "127.0.0.1",
    ("sub.localhost", "AAAA"): "::1",
    (reverseName("192.0.2.80"), "PTR"): "www.test.example.",
    (reverseName("192.0.2.81"), "PTR"): "Mixed.Test.Example.",
    (reverseName("192.0.2.82"), "PTR"): "host.one.test.",
    (reverseName("192.0.2.83"), "PTR"): ["b.test.example.", "a.test.example."],
    (reverseName("192.0.2.84"), "PTR"): _SERVFAIL,
    (reverseName("192.0.2.85"), "PTR"): "bad!name.test.example.",
    (reverseName("192.0.2.86"), "CNAME"): "86.64-27.2.0.192.in-addr.arpa.",
    ("86.64-27.2.0.192.in-addr.arpa", "PTR"): "renumbered.test.example.",
    (reverseName("192.0.2.87"), "TXT"): '"no name"',
    (reverseName("192.0.2.88"), "PTR"): r"spa\032ce.test.example.",
    (reverseName("192.0.2.89"), "PTR"): "xn--bcher-kva.test.example.",
    (reverseName("192.0.2.90"), "PTR"): _REFUSED,
    (reverseName("192.0.2.91"), "PTR"): "deep.host.one.test.",
    (reverseName("192.0.2.92"), "PTR"): ".",
    (reverseName("2001:db8::80"), "PTR"): "www.test.example.",
    (reverseName("2001:db8::81"), "PTR"): "six.one.test.",
    (reverseName("2001:db8::82"), "PTR"): _SERVFAIL,
    (reverseName("fe80::7"), "PTR"): "linked.test.example.",
}
