"""
C{txdns query +sigchase}: validates the answer with DNSSEC, and prints the chain of trust below the reply.
"""

from __future__ import annotations

import sys
from json import dumps
from time import time
from typing import TYPE_CHECKING

from twisted_ext.answers import QueryContext
from twisted_ext.apps.cli.names.validate import EXITS, anchorsFrom
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, complain
from twisted_ext.dnssec.inspection import inspect
from twisted_ext.drawing.chaintext import chainLines
from twisted_ext.errors import DNSFault
from twisted_ext.limits import LOOKUP_SECONDS
from twisted_ext.resolver.recursive.evidence import collectEvidence
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.apps.cli.query.args import QueryOptions
    from twisted_ext.interfaces import IAnswerSource

__all__ = ["showChain"]


async def showChain(reactor: IReactorTime, source: IAnswerSource, options: QueryOptions) -> int:
    """
    Query a source for the records and all that validates them.

    @return: the exit code of C{txdns validate}.
    """
    flags = options.flags
    now = int(time())
    anchors = anchorsFrom([options.trustedKey] if options.trustedKey else [], now, "query")
    question = Question(options.name, options.rrType, options.rrClass)
    context = QueryContext(reactor.seconds() + LOOKUP_SECONDS.most, stream=bool(flags["tcp"]))
    try:
        evidence = await collectEvidence(source, question, context, anchors, now)
    except DNSFault as fault:
        complain(f"txdns query: +sigchase: there is no answer to validate: {fault}")
        return NO_REPLY
    inspection = inspect(evidence, anchors)
    if flags["json"]:
        sys.stdout.write(dumps(inspection.data) + "\n")
    elif not flags["short"]:
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        mark = "#" if flags["yaml"] else ";;"
        for line in chainLines(inspection, paletteFor(sys.stdout, flags["color"]), unicode):
            sys.stdout.write(f"{mark} {line}\n")
        sys.stdout.write("\n")
    sys.stdout.flush()
    return EXITS[inspection.verdict.security]
