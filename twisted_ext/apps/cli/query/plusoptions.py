"""
The C{+} options of C{txdns query} that are on or off, their other names, and the options of dig and kdig that it refuses.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ALIASES", "DIRECT_FLAGS", "FLAGS", "GROUPS", "NOT_OF_DIG", "REFUSED", "WITHOUT_EFFECT", "Flags"]

#: The C{+} options by their full names: on, off, L{None} for automatic, or a number.
Flags = dict[str, int | None]

#: The C{+} options that a prefixed C{no} turns off, with their defaults.
FLAGS: Final[Flags] = {
    # The query.
    "tcp": False,
    # None: as +trace or +sigchase.
    "dnssec": None,
    "coflag": False,
    "edns": True,
    "ednsnegotiation": True,
    "recurse": True,
    "cdflag": False,
    # As in dig: the reply says whether it is secure (RFC 6840, section 5.7).
    "adflag": True,
    "sigchase": False,
    "search": False,
    "showsearch": False,
    "aaflag": False,
    "tcflag": False,
    "raflag": False,
    "zflag": False,
    "header-only": False,
    "ignore": False,
    # None: on for queries that go through the resolver, off for those with fields of their own.
    "fail": None,
    "badcookie": True,
    "showbadcookie": False,
    "keepopen": False,
    "trace": False,
    "nssearch": False,
    "idnin": True,
    # The output.
    "qr": False,
    "yaml": False,
    "multiline": False,
    "ttlunits": False,
    "crypto": True,
    # None: not split, but at 44 characters with +multiline.
    "split": None,
    "expandaaaa": False,
    "unknownformat": False,
    "onesoa": False,
    # None: as +multiline.
    "rrcomments": None,
    "short": False,
    "json": False,
    "cmd": True,
    "comments": True,
    "header": True,
    "opt": True,
    "opttext": True,
    "question": True,
    "answer": True,
    "authority": True,
    "additional": True,
    "tsig": True,
    "stats": True,
    "ttlid": True,
    "class": True,
    "identify": False,
    # None: by the capabilities of the terminal.
    "idnout": None,
    "color": None,
}

#: Flags that L{QueryContext<twisted_ext.answers.QueryContext>} cannot express.
DIRECT_FLAGS: Final = (
    "aaflag", "tcflag", "raflag", "zflag", "coflag", "header-only", "ignore", "fail", "keepopen", "qr", "trace", "nssearch",
)  # fmt: skip

#: Options of C{dig} and C{kdig} that have no effect here: their behavior is always on, or does not change the output.
WITHOUT_EFFECT: Final = ("besteffort", "fastopen", "mapped", "topdown")

#: Other names of options, as in C{dig} and C{kdig}.
ALIASES: Final = {
    "aaonly": "aaflag",
    "ttl": "ttlid",
    "vc": "tcp",
    "do": "dnssec",
    "co": "coflag",
    "rdflag": "recurse",
    "rec": "recurse",
    "cd": "cdflag",
    "ad": "adflag",
    "cl": "class",
    "colour": "color",
    "defname": "search",
    "generic": "unknownformat",
    "alignment": "padding",
    "retries": "retry",
    "timeout": "time",
}

#: Options that turn several others on or off.
GROUPS: Final = {
    "all": ("cmd", "comments", "question", "answer", "authority", "additional", "stats"),
    "idn": ("idnin", "idnout"),
}

#: Options that C{dig} does not have: an abbreviation stands for one of them only if it stands for none of dig's.
NOT_OF_DIG: Final = frozenset(
    ("alignment", "chain", "color", "fastopen", "header", "http3", "https-post", "idn", "json", "opt", "opttext", "quic", "sigchase")
    + ("tls-pin", "trusted-key", "tsig", "zoneversion")
)

#: Options of C{dig} and C{kdig} that are not supported, and what to use in their place.
REFUSED: Final = {
    "dns64prefix": "prefixes of DNS64 are not worked out; look up ipv4only.arpa AAAA: they are what precedes 192.0.0.170 (c000:aa)",
    "http-plain": "queries are not sent over HTTP without TLS; write +https",
    "http-plain-get": "queries are not sent over HTTP without TLS; write +https-get",
    "tls-sni": "the server name that is sent is also the one that is authenticated; write +tls-hostname=NAME",
    "tls-ocsp-stapling": "stapled OCSP responses are not checked; write +tls-pin=PIN to trust one key only",
    "proxy": "PROXY headers are not sent; write -b ADDRESS to choose the source address",
    "-d": "there are no messages for debugging; write +qr to print each query, or txdns explain to see how a server answers",
    "-E": "queries are not exported as dnstap; write +json to keep them in a file",
    "-G": "dnstap files are not read; txdns query prints replies to its own queries only",
}
