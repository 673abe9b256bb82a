"""
Parse description strings. A whole description is parsed before anything is built.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import DESCRIPTION_CHARACTERS
from twisted_ext.resolver.strings.descriptions import Site, foundParsers, parserFor
from twisted_ext.resolver.strings.schema import Parameter, Schema, nearest

__all__ = ["Plan", "read"]

#: Nesting depth of descriptions.
_DESCRIPTION_DEPTH: Final = 32

#: Characters of a description shown in an error.
_SHOWN: Final = 100

#: What other programs call the prefixes.
_OTHER_NAMES: Final = {
    "dns": "udp",
    "dot": "tls",
    "tls-tcp": "tls",
    "doh": "https",
    "http": "https",
    "h2": "https",
    "doq": "quic",
    "stamp": "sdns",
}


def read(description: str) -> Plan:
    """
    Parse a description.

    @raise BadDescription: it has a syntax error, or an unknown prefix or argument.
    """
    if not isinstance(description, str):
        raise BadDescription(f"a description is a text, not {type(description).__name__}")
    most = int(DESCRIPTION_CHARACTERS.default)
    if len(description) > most:
        raise BadDescription(f"a description of {len(description)} characters; {most} are the most")
    return _Reading(description).description(0, False, 0)[0]


def _fault(text: str, index: int, what: str) -> BadDescription:
    # Show only the part of a long description around the error.
    start = max(0, min(index - _SHOWN // 2, len(text) - _SHOWN))
    shown = f"{'...' * (start > 0)}{text[start : start + _SHOWN]}{'...' * (start + _SHOWN < len(text))}"
    return BadDescription(f"{shown!r}, column {index + 1}: {what}")


@lru_cache(64)
def _schemaOf(function: Callable[..., object]) -> Schema:
    # A server with a thousand upstreams reads one signature a thousand times.
    return Schema(function)


class Plan:
    """
    A parsed description, ready to be built.
    """

    __slots__ = ("text", "index", "prefix", "function", "positional", "named")

    def __init__(self, text: str, index: int, prefix: str, function: Callable[..., IAnswerSource]) -> None:
        self.text = text
        self.index = index
        self.prefix = prefix
        self.function = function
        self.positional: list[object] = []
        self.named: dict[str, object] = {}

    def build(self, site: Site) -> IAnswerSource:
        """
        Build the inner sources, then the one around them.

        @raise BadDescription: one of them cannot be built; those already built are closed.
        """
        built: list[IAnswerSource] = []

        def made(value: object) -> object:
            if not isinstance(value, Plan):
                return value
            source = value.build(site)
            built.append(source)
            return source

        try:
            positional = [made(value) for value in self.positional]
            named = {key: made(value) for key, value in self.named.items()}
            source = self._call(site, positional, named)
        except BaseException:
            for source in built:
                source.close()
            raise
        return source

    def _call(self, site: Site, positional: list[object], named: dict[str, object]) -> IAnswerSource:
        try:
            source = self.function(site, *positional, **named)
        except CallerFault as fault:
            what = str(fault).removeprefix(f"{self.prefix}: ")
            raise _fault(self.text, self.index, f"{self.prefix}: {what}") from fault
        except Exception as error:
            raise _fault(
                self.text, self.index, f"{self.prefix} cannot be built: {type(error).__name__}: {error}"
            ) from error
        if not IAnswerSource.providedBy(source):
            raise _fault(self.text, self.index, f"{self.prefix} built {source!r}, which is not an answer source")
        return source


class _Reading:
    """
    The state of parsing one text. The methods take the index where an element begins, and whether a closing parenthesis ends it.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = len(text)

    def description(self, start: int, inside: bool, depth: int) -> tuple[Plan, int]:
        text = self._text
        if depth > _DESCRIPTION_DEPTH:
            raise _fault(text, start, f"more than {_DESCRIPTION_DEPTH:.0f} descriptions within each other")
        index = start
        while index < self._end and text[index] != ":" and not (inside and text[index] == ")"):
            index += 1
        prefix = text[start:index]
        plan, schema = self._planFor(prefix, start)
        first = schema.at(0)
        if text.startswith("://", index) and first is not None and not first.wantsSource:
            url, behind = self._url(index + 1, inside)
            self._take(plan, first, f"{prefix}:{url}", start, schema)
            index = behind
        while index < self._end and text[index] == ":":
            index = self._argument(plan, schema, index + 1, inside, depth)
        missing = [
            parameter
            for parameter in schema.parameters
            if parameter.required and parameter.name not in self._given(plan, schema)
        ]
        if missing:
            raise _fault(text, index, f"{missing[0].name} is missing; it is {schema.usage(prefix)}")
        return plan, index

    def _planFor(self, prefix: str, start: int) -> tuple[Plan, Schema]:
        if not prefix:
            raise _fault(self._text, start, "expected a prefix here, such as udp or system")
        parser = parserFor(prefix)
        if parser is None:
            parsers, complaints = foundParsers()
            known = [parser.prefix for parser in parsers]
            other = _OTHER_NAMES.get(prefix.lower())
            hint = f"; write {other!r}" if other in known else nearest(prefix, known)
            raise _fault(self._text, start, "; ".join([f"there is no prefix {prefix!r}{hint}", *complaints]))
        try:
            function = parser.load()
            return Plan(self._text, start, prefix, function), _schemaOf(function)
        except Exception as error:
            what = f"the prefix {prefix!r} cannot be used ({parser!r}): {type(error).__name__}: {error}"
            raise _fault(self._text, start, what) from error

    def _argument(self, plan: Plan, schema: Schema, start: int, inside: bool, depth: int) -> int:
        """
        Parse one argument, and return the index after it.
        """
        text = self._text
        key, valueAt = self._key(start)
        if key is None:
            parameter = schema.at(len(plan.positional))
            if parameter is None and not plan.positional and not plan.named and self._endsAt(start, inside):
                # "recursive:" without arguments.
                return start
            if parameter is None:
                raise _fault(text, start, f"this is one argument too many; it is {schema.usage(plan.prefix)}")
        else:
            parameter = schema.named(key)
            if parameter is None:
                hint = nearest(key, [known.name for known in schema.parameters if known.named])
                raise _fault(text, start, f"{plan.prefix} has no option {key!r}{hint}")
        if not parameter.wantsSource:
            value, behind = self._value(valueAt, inside)
            self._take(plan, parameter, value, valueAt, schema, key, start)
            return behind
        if text.startswith("(", valueAt):
            inner, behind = self.description(valueAt + 1, True, depth + 1)
            if behind >= self._end:
                raise _fault(text, valueAt, "this parenthesis is not closed")
            behind += 1
            if behind < self._end and text[behind] != ":" and not (inside and text[behind] == ")"):
                raise _fault(
                    text, behind, f"behind a closing parenthesis comes a colon or nothing, not {text[behind]!r}"
                )
        else:
            inner, behind = self.description(valueAt, inside, depth + 1)
        self._take(plan, parameter, inner, valueAt, schema, key, start)
        return behind

    def _take(
        self,
        plan: Plan,
        parameter: Parameter,
        value: object,
        valueAt: int,
        schema: Schema,
        key: str | None = None,
        start: int = 0,
    ) -> None:
        if key is not None and (key in plan.named or (not parameter.many and key in self._given(plan, schema))):
            raise _fault(self._text, start, f"{key} is given twice")
        if key is not None and value == "" and parameter.kind is str and not parameter.many:
            # An unset variable of a shell must not turn a check off.
            raise _fault(self._text, valueAt, f"{key} has no value; write one behind {key}=, or leave it out")
        if isinstance(value, str):
            try:
                value = parameter.convert(value)
            except CallerFault as fault:
                raise _fault(self._text, valueAt, str(fault)) from fault
        if key is None:
            plan.positional.append(value)
        else:
            plan.named[key] = value

    def _given(self, plan: Plan, schema: Schema) -> set[str]:
        positional = [parameter.name for parameter in schema.positional[: len(plan.positional)]]
        return {*positional, *plan.named}

    # -- characters

    def _endsAt(self, index: int, inside: bool) -> bool:
        return index >= self._end or (inside and self._text[index] == ")")

    def _key(self, start: int) -> tuple[str | None, int]:
        """
        Return the key of an argument, if any, and the index where its value begins.
        """
        text, index = self._text, start
        key: list[str] = []
        while index < self._end and (character := text[index]) not in ":[()":
            if character == "=":
                if not key:
                    raise _fault(text, start, "expected a key before '='")
                return "".join(key), index + 1
            if character == "\\":
                index += 1
                if index == self._end:
                    break
            key.append(text[index])
            index += 1
        return None, start

    def _value(self, start: int, inside: bool) -> tuple[str, int]:
        """
        Return a text without its escapes, and the index after it.
        """
        text, index = self._text, start
        value: list[str] = []
        bracketAt: int | None = None
        #: The position of the closing bracket, if one pair of brackets encloses the whole value.
        whole = text.startswith("[", start)
        closed = False
        while index < self._end:
            character = text[index]
            if closed and character not in (":)" if inside else ":"):
                whole = False
            if character == "\\":
                index += 1
                if index == self._end:
                    raise _fault(
                        text, index - 1, "a backslash ends the description; write two for the character itself"
                    )
                value.append(text[index])
            elif bracketAt is not None:
                value.append(character)
                if character == "]":
                    bracketAt = None
                    closed = True
            elif character == "[":
                bracketAt = index
                value.append(character)
            elif character == ":" or (inside and character == ")"):
                break
            else:
                value.append(character)
            index += 1
        if bracketAt is not None:
            raise _fault(text, bracketAt, "this bracket is not closed")
        return "".join(value[1:-1] if whole else value), index

    def _url(self, start: int, inside: bool) -> tuple[str, int]:
        """
        Return a URL from its slashes on, and the index after it.
        """
        text = self._text
        index = self._urlPart(start + 2, "/?#:", inside)
        if text.startswith(":", index):
            port = index + 1
            while port < self._end and text[port] in "0123456789":
                port += 1
            if port > index + 1 and (port == self._end or text[port] in "/?#:)"):
                index = port
        if text.startswith("#", index):
            index = self._urlPart(index, ":", inside)
        authority = text[start:index]
        if index < self._end and text[index] in "/?":
            path, index = self._value(index, inside)
            return authority + path, index
        return authority, index

    def _urlPart(self, index: int, ends: str, inside: bool) -> int:
        """
        Return the index of the first character that ends a part of a URL and is not in square brackets.
        """
        text = self._text
        while index < self._end and text[index] not in ends and not (inside and text[index] == ")"):
            if text[index] == "[":
                bracketAt = index
                index = text.find("]", index)
                if index < 0:
                    raise _fault(text, bracketAt, "this bracket is not closed")
            index += 1
        return index
