"""
One operation on a running server: what the control socket offers, and the command of C{txdns control} for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twisted_ext.errors import BadDescription, CallerFault

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["Verb", "flagOf", "numberOf"]

#: Digits of a number of zones or of a query in the live list.
_DIGITS: Final = 12


@dataclass(slots=True, eq=False)
class Verb:
    """
    An operation. The control socket has it at its path, where the arguments follow a question mark; C{txdns control} has its path as words.

    @ivar path: its word, or its two words with a slash between them: C{"ferry/list"} for C{txdns control ferry list}.
    @ivar meaning: what it does, in a few words: C{"show a ferry"}.
    @ivar run: executes it with its arguments. The first argument is the active feature or the keeper for those of features, else
        L{Operations<twisted_ext.server.operations.operations.Operations>}. It returns a JSON object, or a Deferred, and raises
        L{CallerFault<twisted_ext.errors.CallerFault>} for arguments that cannot be used. An object with a true C{failed} makes the command
        fail. L{None} if it is more than one JSON object for a request: the control socket has its own code for it.
    @ivar takes: the names of the words that follow, such as C{"NAME"}; in brackets, if they may be left out: C{"[COLOR]"}. Arguments have
        these names in lower case.
    @ivar flags: arguments that are options of the command, each with what it does: C{{"below": "all names below NAME as well"}}.
    @ivar changes: whether it changes something.
    @ivar inParent: whether the parent of workers executes it, or the only process; for a feature its keeper, even while the feature is off.
        Others run where queries are answered.
    @ivar ofClient: whether the active feature of the view executes it that the client is in whose address is the argument C{client}.
    @ivar ofViews: whether the active features of all views execute it, and that for clients in none; C{gather} joins what they return.
    @ivar gather: joins what C{run} returns of all active features that have its path among their L{Active.answers
        <twisted_ext.server.features.base.feature.Active.answers>}, in the order in which a query meets them; L{None} if only its own
        feature executes it.
    @ivar join: joins what C{run} returns in all processes that answer queries, which may then be any JSON value, to the object; L{None} to
        ask any one of them.
    @ivar more: more about it for C{--help}, after the meaning.
    @ivar shown: the function that makes the lines to be printed of the object, as C{"module:function"}. By default they are those in
        C{said}, or else the object.
    @ivar command: the function that executes the command, as C{"module:function"}, where it is more than one request whose reply is
        printed. See L{twisted_ext.apps.cli.server.special}.
    """

    path: str
    meaning: str
    run: Callable[[Any, Mapping[str, str]], object] | None
    takes: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    changes: bool = False
    inParent: bool = False
    ofClient: bool = False
    ofViews: bool = False
    gather: Callable[[list[JSON]], JSON] | None = None
    join: Callable[[list[JSON]], dict[str, JSON]] | None = None
    more: str = ""
    shown: str = ""
    command: str = ""

    def execute(self, holder: object, arguments: Mapping[str, str]) -> object:
        """
        Run it.

        @raise CallerFault: it is more than one JSON object for a request.
        """
        if self.run is None:
            raise CallerFault(f"{self.path} cannot be executed by itself")
        return self.run(holder, arguments)

    @property
    def words(self) -> list[str]:
        return self.path.split("/")

    @property
    def usage(self) -> str:
        return " ".join(["txdns control", *self.words, *[f"[--{name}]" for name in self.flags], *self.takes])

    @property
    def keys(self) -> tuple[str, ...]:
        """
        Return the names of those of its arguments that are words.
        """
        return tuple([each.strip("[").partition("[")[0].strip("].").lower() for each in self.takes])


def flagOf(arguments: Mapping[str, str], key: str) -> bool:
    """
    Return whether a flag is among the arguments.
    """
    return arguments.get(key, "") in ("1", "on", "yes", "true")


def numberOf(arguments: Mapping[str, str], key: str) -> int | None:
    """
    Return the number among the arguments; L{None} if it is missing.

    @raise BadDescription: it is not a number.
    """
    text = arguments.get(key, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise BadDescription(f"{key}={text[:20]} is not a number of at most {_DIGITS} digits")
    return int(text) if text else None
