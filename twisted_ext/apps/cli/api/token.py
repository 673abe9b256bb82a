"""
C{txdns api token}: makes a token for the HTTP API of a server.
"""

from __future__ import annotations

import sys
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError
from twisted_ext.errors import BadDescription

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns api token NAME [OPTION ...] >> FILE

Makes a token for a program that is to use the HTTP API of a server. The entry for the file that
api-tokens names is written to the standard output: the server knows only a hash of the secret.
The secret is written to the standard error, once.

{options}

  txdns api token octodns --scope zones >> /etc/txdns/api-tokens
  txdns api token lego --scope zones --only "challenges example.org" >> FILE
  txdns api token watch --from 192.0.2.0/24 --until 2027-12-31 >> FILE

Exit codes: 0 done, 1 wrong usage.
"""

_SCOPE: Final = Option(
    "--scope SCOPE", "what it may do: read, zones (change, add and remove zones), or admin (everything)", "read", str, what="a scope"
)
_ONLY: Final = Option(
    "--only RULE",
    "records that it may change and see, as the end of an update rule: name NAME TYPE, subtree NAME TYPE, challenges NAME ...; of other "
    "records and zones it sees nothing",
    "",
    str,
    what="a rule",
)
_FROM: Final = Option("--from PREFIX", "addresses from which it is taken; repeat it for several", "", str, what="a prefix")
_UNTIL: Final = Option("--until DATE", "the day on which it ends, in UTC", "", str, what="a date")

ARGUMENTS: Final = Arguments(_HELP, _SCOPE, _ONLY, _FROM, _UNTIL)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        said = "a token has one name" if given.bare else "the name of the token is missing"
        raise ExitError(USAGE, f"{said}; write: {ARGUMENTS.usage}")

    from twisted_ext.web.api.site.tokens import newSecret, tokenToTOML

    secret = newSecret()
    try:
        text = tokenToTOML(given.bare[0], given[_SCOPE], secret, given.all(_ONLY), given.all(_FROM), given[_UNTIL])
    except BadDescription as fault:
        raise ExitError(USAGE, str(fault)) from fault
    sys.stdout.write(text)
    sys.stdout.flush()
    print(f"the secret of {given.bare[0]}, which is shown only now: {secret}", file=sys.stderr)
    return OK
