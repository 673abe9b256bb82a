"""
C{txdns zone keygen}: generates a TSIG key.
"""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from typing import Final

from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError
from twisted_ext.errors import BadDescription, BadName
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.tsig import ALGORITHMS, Key

__all__ = ["keyText", "main"]

_HELP: Final = """\
Usage: txdns zone keygen [-a ALGORITHM] [-o FILE] NAME

Generates a TSIG key, a secret shared by two servers, or by a server and the clients that update
its zones. The output can be read by txdns (setting key-file), BIND, and the tools of NSD and
Knot.

  -a ALGORITHM   {algorithms};
                 hmac-sha256 by default
  -o FILE        write it to this new file, readable by its owner only

  txdns zone keygen -o dhcp.key dhcp.example.org
  txdns update -k dhcp.key changes.txt

Exit codes: 0 done, 1 wrong usage, 8 the file cannot be written.
"""

#: The length of a secret in octets: that of the hash (RFC 8945, section 8; RFC 2104, section 3).
_SECRETS: Final = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}


def keyText(name: str, algorithm: str, secret: bytes) -> str:
    """
    Return a key in the format of configuration files.
    """
    return f'key "{name}" {{\n\talgorithm {algorithm};\n\tsecret "{b64encode(secret).decode("ascii")}";\n}};\n'


def main(words: list[str]) -> int:
    """
    Run the command with its arguments, and return the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(_HELP.format(algorithms=", ".join([each for each in ALGORITHMS if each.count("-") == 1])), end="")
        return OK
    algorithm, path, name = "hmac-sha256", "", ""
    remaining = iter(words)
    for word in remaining:
        if word == "-a":
            algorithm = next(remaining, "").lower()
        elif word == "-o":
            path = next(remaining, "")
        elif word.startswith("-") or name:
            raise ExitError(USAGE, f"unexpected argument {word!r}; write: txdns zone keygen [-a ALGORITHM] [-o FILE] NAME")
        else:
            name = word
    if not name:
        raise ExitError(USAGE, "the name of the key is missing; write one such as dhcp.example.org")
    if algorithm not in ALGORITHMS:
        raise ExitError(USAGE, f"{algorithm!r} is not an algorithm; write one of {', '.join(ALGORITHMS)}")
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
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise ExitError(BATCH, f"{path}: {error.strerror or error}") from None
    return OK
