"""
Prints the replies that C{txdns query} gets.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

from twisted_ext.apps.cli.query.formats import (
    LookupOutcome,
    renderFault,
    renderJSON,
    renderShort,
    renderText,
    renderYAML,
)
from twisted_ext.apps.cli.terminal.colors import encodable, isTerminal, paletteFor
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, complain

if TYPE_CHECKING:
    from twisted_ext.apps.cli.query.args import QueryOptions
    from twisted_ext.errors import DNSFault
    from twisted_ext.wire.message import Question

__all__ = ["chooseLetters", "now", "show", "unanswered"]


def chooseLetters(options: QueryOptions) -> None:
    """
    Decide whether names are shown in their own letters, if no option has.
    """
    if options.flags["idnout"] is None:
        options.flags["idnout"] = isTerminal(sys.stdout) and (sys.stdout.encoding or "").lower().startswith("utf")


def now() -> datetime:
    return datetime.now().astimezone()


def show(reply: LookupOutcome, options: QueryOptions) -> None:
    flags = options.flags
    text = _rendered(reply, options)
    if flags["idnout"] and not encodable(text, sys.stdout):
        flags["idnout"] = False
        text = _rendered(reply, options)
    sys.stdout.write(text)
    sys.stdout.flush()


def _rendered(reply: LookupOutcome, options: QueryOptions) -> str:
    flags = options.flags
    if flags["json"]:
        return renderJSON(reply)
    if flags["short"]:
        return renderShort(reply, flags)
    if flags["yaml"]:
        return renderYAML(reply)
    # The arguments are those of the whole command, so print them only once.
    words = " ".join(options.words) if options.first else None
    return renderText(reply, flags, paletteFor(sys.stdout, flags["color"]), words, options.servers)


def unanswered(question: Question, fault: DNSFault, options: QueryOptions) -> int:
    if options.flags["json"]:
        sys.stdout.write(renderFault(question, fault))
        sys.stdout.flush()
    text = str(fault)
    server = f" ({fault.server})" if fault.server and fault.server not in text else ""
    complain(f"txdns query: {text}{server}")
    return NO_REPLY
