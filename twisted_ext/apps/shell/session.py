"""
C{txdns shell}: an interactive Python shell with a running reactor, for trying look-ups.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twisted_ext.compat.conversion.results import Result
    from twisted_ext.compat.names import NamesResolver

__all__ = ["main"]

HELP: Final = """\
Usage: txdns shell [DESCRIPTION]

Starts Python with a running reactor and these predefined names:

  resolver                  the resolver of DESCRIPTION, or the system's configured one
  client, dns               twisted_ext.client and twisted_ext.dns, like those of twisted.names
  lookup(name, type="A")    records of any type
  address(name)             one address
  reverse(address)          the name of an address
  explain(name, type="A")   the steps of a look-up, as text
  reactor                   the running reactor

  txdns shell
  txdns shell udp:127.0.0.1:5301
  >>> address("www.example.com")
  <Deferred at 0x7f06ab3c0350>
  <Deferred at 0x7f06ab3c0350 current result: '192.0.2.80'>
  >>> lookup("example.com", "MX")
  >>> _.result[0][0].payload
  <MX preference=10 name=mail.example.com ttl=60>
  >>> where = await client.mailTargets("example.com", resolver=resolver)

A Deferred without a result is shown again when it has fired, and the result of an await when
it is there; meanwhile you can type the next line. _ is the last value shown. Tab completes
names, Ctrl-D leaves.
"""

_USAGE: Final = 1


def main(words: list[str]) -> int:
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return 0
    if len(words) > 1 or (words and words[0].startswith("-")):
        return _refuse(f"{' '.join(words)!r}: write one resolver description, or nothing: txdns shell udp:127.0.0.1:5301")
    try:
        from twisted_ext.apps.shell.console import runConsole
    except ImportError as error:
        return _refuse(f"this needs Twisted's conch ({error.name or error} is missing): pip install 'twisted-ext[shell]'")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _refuse("this needs a terminal for input and output; for files of names, use txdns bulk")
    from twisted.internet import reactor

    from twisted_ext import client
    from twisted_ext.errors import CallerFault

    description = words[0].removeprefix("@") if words else "system"
    try:
        resolver = client.resolverFromString(reactor, description)
    except CallerFault as fault:
        return _refuse(str(fault))
    code = runConsole(namespaceFor(resolver), _banner(description))
    number: object = getattr(reactor, "_exitSignal", None)
    return 128 + number if isinstance(number, int) else code


def _refuse(line: str) -> int:
    from twisted_ext.wire.escapes import printable

    print(printable(f"txdns shell: {line}"), file=sys.stderr)
    return _USAGE


def _banner(description: str) -> str:
    from twisted_ext._version import __version__

    return (
        f"twisted_ext {__version__}, Python {sys.version.split()[0]}: resolver uses {description!r}.\n"
        'Try lookup("www.example.com"), reverse("192.0.2.1") or explain("www.example.com"); Ctrl-D leaves.'
    )


def namespaceFor(resolver: NamesResolver) -> dict[str, object]:
    from twisted.internet import reactor

    from twisted_ext import client, dns
    from twisted_ext.apps.shell.console import PlainText
    from twisted_ext.errors import BadRecord
    from twisted_ext.wire.rrtypes import AXFR, typeNumber

    def lookup(name: str, type: int | str = "A") -> Deferred[Result]:
        """
        Look up records of any type.

        @param type: a mnemonic or a number.

        @raise BadRecord: C{type} is not a mnemonic of a record type.
        """
        number = typeNumber(type) if isinstance(type, str) else type
        if number is None:
            raise BadRecord(f"{type!r} is not a record type; write a mnemonic such as A, AAAA or MX, or TYPE65280")
        if number == AXFR:
            return resolver.lookupZone(name)
        return resolver._look(name, number)

    def address(name: str) -> Deferred[str]:
        """
        Look up one address of a host, IPv4 if there is one, else IPv6.
        """
        return resolver.getHostByName(name)

    def reverse(address: str) -> Deferred[Result]:
        """
        Look up the name of an IPv4 or IPv6 address.
        """
        return resolver.lookupPointer(client.reverseName(address))

    def explain(name: str, type: int | str = "A") -> Deferred[PlainText]:
        """
        Look up a name and describe the steps of the look-up.
        """
        return resolver.explain(name, type).addCallback(lambda explanation: PlainText(explanation.text))

    return {
        "__name__": "__console__",
        "client": client,
        "dns": dns,
        "resolver": resolver,
        "reactor": reactor,
        "lookup": lookup,
        "address": address,
        "reverse": reverse,
        "explain": explain,
    }
