"""
C{txdns plugins}: lists the prefixes that resolver descriptions may begin with.
"""

from __future__ import annotations

import sys
from json import dumps
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, didYouMean, flag
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError, complain

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns plugins [PREFIX ...] [+json]

Lists the prefixes of resolver descriptions: those of twisted_ext, and those of plugins that
Twisted's plugin system finds; or only those given. Features that plugins add to servers are
listed behind them, with their settings and the commands of txdns control, and so are kinds of
databases of zones.

  txdns plugins
  txdns plugins udp tcp
  txdns query www.example.com @PREFIX:...

With +json, prints one object per line with the keys prefix, summary and from; or feature,
settings, commands and from; or store, summary and from.
"""


_JSON: Final = flag("+json", "print one JSON object for each prefix")

ARGUMENTS: Final = Arguments(_HELP, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    from twisted_ext.apps.cli.terminal.run import hush
    from twisted_ext.resolver.strings.descriptions import BUILT_IN, foundParsers

    hush()
    parsers, complaints = foundParsers()
    known = [parser.prefix for parser in parsers]
    for word in given.bare:
        if word not in known:
            hint = didYouMean(word, known, f"write one of {', '.join(known)}")
            raise ExitError(USAGE, f"unknown prefix {word!r}; {hint}")
    rows = []
    for parser in parsers:
        if given.bare and parser.prefix not in given.bare:
            continue
        module = str(getattr(parser, "module", type(parser).__module__))
        rows.append((parser.prefix, "twisted_ext" if parser in BUILT_IN else module, parser.summary))
    if given[_JSON]:
        for prefix, origin, summary in rows:
            print(dumps({"prefix": prefix, "summary": summary, "from": origin}))
    else:
        heads = ("PREFIX", "FROM", "WHAT IT DOES")
        widths = [max(len(row[column]) for row in (heads, *rows)) for column in (0, 1)]
        for prefix, origin, summary in (heads, *rows):
            print(f"{prefix:<{widths[0]}}  {origin:<{widths[1]}}  {summary}")
    if not given.bare:
        wrong = [*_showFeatures(json=given[_JSON]), *_showStores(json=given[_JSON])]
        complaints += [each for each in dict.fromkeys(wrong) if each not in complaints]
    sys.stdout.flush()
    for complaint in complaints:
        complain(f"txdns plugins: {complaint}")
    return OK


def _showFeatures(*, json: bool) -> list[str]:
    """
    Print the features of plugins.

    @return: an error text for each that cannot be used.
    """
    from twisted_ext.server.features import order
    from twisted_ext.server.settings import plugged

    known = order.ORDER
    plugged.allSettings()
    for feature in order.ORDER[len(known) :]:
        settings = [each.name for each in feature.settings.declared()]
        commands = [" ".join(verb.words) for verb in feature.verbs]
        origin = type(feature).__module__
        if json:
            print(dumps({"feature": feature.name, "settings": settings, "commands": commands, "from": origin}))
        else:
            print(f"\nfeature {feature.name} from {origin}")
            print(f"  settings: {', '.join(settings) or 'none'}\n  commands: {', '.join(commands) or 'none'}")
    return plugged.pluginComplaints


def _showStores(*, json: bool) -> list[str]:
    """
    Print the kinds of databases of plugins.

    @return: an error text for each that cannot be used.
    """
    from twisted_ext.server.config.stores import BUILT_IN, foundStores

    found, complaints = foundStores()
    for kind in found.values():
        if kind not in BUILT_IN:
            origin = str(getattr(kind, "module", type(kind).__module__))
            if json:
                print(dumps({"store": kind.prefix, "summary": kind.summary, "from": origin}))
            else:
                print(f"\nstore {kind.prefix} from {origin}\n  {kind.summary}")
    return complaints
