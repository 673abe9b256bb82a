"""
The arguments of a prefix, derived from the signature of the function that builds its source.
"""

from __future__ import annotations

import builtins
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator

from twisted_ext.errors import CallerFault
from twisted_ext.interfaces import IAnswerSource

__all__ = ["Parameter", "Schema", "nearest"]

_TRUTHS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


class Parameter:
    """
    One parameter of a function.

    @ivar name: the key as written before C{=}.
    @ivar wantsSource: whether the value is a description.
    @ivar required: whether there is no default.
    @ivar kind: the class that its values are converted to.
    """

    __slots__ = ("name", "wantsSource", "required", "positional", "named", "many", "kind")

    def __init__(self, parameter: inspect.Parameter, kind: object) -> None:
        self.name = parameter.name
        self.many = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        self.positional = parameter.kind in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        self.named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        self.required = parameter.default is parameter.empty and not self.many
        self.wantsSource = kind is IAnswerSource
        self.kind = kind

    def convert(self, text: str) -> object:
        """
        Convert a value to the parameter's type.

        @raise CallerFault: the text is not a valid value.
        """
        kind = self.kind
        if kind is int:
            digits = text[1:] if text.startswith("-") else text
            if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
                raise CallerFault(f"{self.name} takes a whole number, not {text!r}")
            return int(text)
        if kind is float:
            try:
                number = float(text)
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                raise CallerFault(f"{self.name} takes a number, not {text!r}")
            return number
        if kind is bool:
            truth = _TRUTHS.get(text.lower())
            if truth is None:
                raise CallerFault(f"{self.name} takes yes or no, not {text!r}")
            return truth
        fromText = getattr(kind, "fromText", None)
        return text if fromText is None else fromText(text)

    def __str__(self) -> str:
        if self.positional:
            shown = f"({self.name})" if self.wantsSource else self.name
            return f":{shown}..." if self.many else f":{shown}" if self.required else f"[:{shown}]"
        shown = f":{'name' if self.many else self.name}={'(source)' if self.wantsSource else '...'}"
        return shown if self.required else f"[{shown}]"


class Schema:
    """
    The parameters of a function after the first. Each key of a L{TypedDict<typing.TypedDict>} behind L{Unpack<typing.Unpack>} is one.

    @ivar positional: the parameters that need no key, in order; the last one may take any number of values.
    @ivar parameters: all of them.
    """

    __slots__ = ("positional", "parameters", "_rest")

    def __init__(self, function: Callable[..., object]) -> None:
        """
        @raise CallerFault: the signature of C{function} cannot be determined.
        """
        try:
            declared = list(inspect.signature(function).parameters.values())[1:]
        except (TypeError, ValueError) as error:
            raise CallerFault(f"it has no signature: {error}") from error
        namespace = getattr(inspect.unwrap(function), "__globals__", {})
        self.parameters = [each for parameter in declared for each in _parametersFor(parameter, namespace)]
        self.positional = [parameter for parameter in self.parameters if parameter.positional]
        self._rest = next(
            (parameter for parameter in self.parameters if parameter.many and not parameter.positional), None
        )

    def at(self, position: int) -> Parameter | None:
        if position < len(self.positional):
            return self.positional[position]
        return self.positional[-1] if self.positional and self.positional[-1].many else None

    def named(self, key: str) -> Parameter | None:
        return next(
            (parameter for parameter in self.parameters if parameter.named and parameter.name == key), self._rest
        )

    def usage(self, prefix: str) -> str:
        """
        Return the usage of a prefix on one line.
        """
        return "".join([prefix, *[str(parameter) for parameter in self.parameters]])


def _parametersFor(parameter: inspect.Parameter, namespace: dict[str, object]) -> Iterator[Parameter]:
    """
    Yield a parameter; or the options of the group that it takes, in their order.
    """
    kind = _kindOf(parameter.annotation, namespace)
    if parameter.kind is not parameter.VAR_KEYWORD or not typing.is_typeddict(kind):
        yield Parameter(parameter, kind)
        return
    for name, annotation in typing.get_type_hints(kind).items():
        default = parameter.empty if name in getattr(kind, "__required_keys__", ()) else None
        yield Parameter(inspect.Parameter(name, parameter.KEYWORD_ONLY, default=default), _kindOf(annotation, namespace))


def _kindOf(annotation: object, namespace: dict[str, object]) -> object:
    """
    Return the only class in an annotation apart from L{None}. Strings are looked up and never evaluated, unlike those in a group.
    """
    if isinstance(annotation, str):
        inner = annotation.removeprefix("Optional[").removeprefix("Unpack[").removesuffix("]")
        words = [word.strip() for word in inner.split("|")]
        names = [word for word in words if word != "None"]
        if len(names) != 1:
            return str
        first, *others = names[0].split(".")
        found = namespace.get(first, getattr(builtins, first, None))
        for name in others:
            found = getattr(found, name, None)
        if found is None and names[0].endswith("IAnswerSource"):
            # It may be imported for the type checker only.
            return IAnswerSource
        return found
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Unpack):
        choices = [choice for choice in typing.get_args(annotation) if choice is not type(None)]
        return choices[0] if len(choices) == 1 else str
    return annotation


def nearest(word: str, words: list[str]) -> str:
    """
    Return C{"; did you mean 'udp'?"} if one of the words is similar, otherwise all of them.
    """
    from difflib import get_close_matches

    close = get_close_matches(word, words, 1) or get_close_matches(word.lower(), words, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(words)}" if words else ""
