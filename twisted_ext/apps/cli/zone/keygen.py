"""
C{txdns zone keygen}: generates a TSIG key.
"""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError, fileErrors
from twisted_ext.errors import BadDescription, BadName
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.tsig import ALGORITHMS, Key

__all__ = ["ARGUMENTS", "keyText", "main"]

_HELP: Final = """\
Usage: txdns zone keygen [-a ALGORITHM] [-o FILE] NAME

Generates a TSIG key, a secret shared by two servers, or by a server and the clients that update
its zones. The output can be read by txdns (setting key-file), BIND, and the tools of NSD and
Knot.

{options}

  txdns zone keygen -o dhcp.key dhcp.example.org
  txdns update -k dhcp.key changes.txt

Exit codes: 0 done, 1 wrong usage, 8 the file cannot be written.
"""

#: The length of a secret in octets: that of the hash (RFC 8945, section 8; RFC 2104, section 3).
_SECRETS: Final = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}


def keyText(name: str, algorithm: str, secret: bytes) -> str:
    return f'key "{name}" {{\n\talgorithm {algorithm};\n\tsecret "{b64encode(secret).decode("ascii")}";\n}};\n'


def _algorithm(text: str) -> str:
    algorithm = text.lower()
    if algorithm not in ALGORITHMS:
        raise BadDescription(f"{algorithm!r} is not an algorithm; write one of {', '.join(ALGORITHMS)}")
    return algorithm


_ALGORITHM: Final = Option(
    "-a ALGORITHM",
    f"{', '.join([each for each in ALGORITHMS if each.count('-') == 1])}; hmac-sha256 by default",
    "hmac-sha256",
    _algorithm,
    what="an algorithm",
    words=[*ALGORITHMS],
)
_OUTPUT: Final = Option("-o FILE", "write it to this new file, readable by its owner only", "", str, what="a file")

ARGUMENTS: Final = Arguments(_HELP, _ALGORITHM, _OUTPUT)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        wrong = f"unexpected argument {given.bare[1]!r}" if given.bare else "the name of the key is missing"
        raise ExitError(USAGE, f"{wrong}; write one name such as dhcp.example.org")
    (name,) = given.bare
    algorithm, path = given[_ALGORITHM], given[_OUTPUT]
    secret = os.urandom(_SECRETS[algorithm.split("-")[1]])
    try:
        wire = nameFromText(name)
        Key(wire, secret, ALGORITHMS[algorithm])
    except (BadName, BadDescription) as fault:
        raise ExitError(USAGE, str(fault)) from None
    text = keyText(nameToText(wire, final=False), algorithm, secret)
    if not path:
        sys.stdout.write(text)
        return OK
    with fileErrors(path):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="ascii") as file:
            file.write(text)
    return OK
