"""
Functions that decide, and what they are told.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, ParamSpec, Protocol, TypeVar, cast, get_args

from twisted_ext.errors import BadName, CallerFault
from twisted_ext.hooks.answered import Answered
from twisted_ext.hooks.verdicts import PASS, Verdict
from twisted_ext.wire.names import nameFromText

__all__ = ["Hook", "Hooked", "hook", "hookOf"]

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result", covariant=True)

#: What a hook may be told of a query; of the client, if it takes one of the latter.
_OF_QUERY: Final = ("name", "type", "view")
_OF_ANSWER: Final = ("answer",)
_OF_CLIENT: Final = ("client", "network", "transport", "key")

#: What it may be given to ask, which its verdict is not kept by.
_GIVEN: Final = ("resolver",)

#: Seconds that a hook may take: over UDP no answer is sent that is older than 1.9 seconds.
_LONGEST: Final = 1.5

#: The longest that a verdict may be kept, in seconds.
_KEPT: Final = 86_400.0


class Hook:
    """
    What is known of a function that decides.

    @ivar function: the function, or a class: an instance is made with the reactor for each server, its method C{ask} is called, and at the
        end C{close}, if it has that.
    @ivar name: how logs and figures call it.
    @ivar parameters: those of the function, each C{name}, C{type}, C{view}, C{client}, C{network}, C{transport}, C{key}, C{answer} or
        C{resolver}.
    @ivar told: those of them that its verdict is kept by: all but C{resolver}.
    @ivar kinds: the class of each value: C{str}, or what the function is annotated with.
    @ivar seconds: how long it may take.
    @ivar otherwise: the verdict if it fails, or takes longer.
    @ivar keep: for how many seconds a verdict is kept; 0 to ask about each query.
    @ivar threads: whether it is called in one of ten threads, as it waits without C{await}.
    @ivar below: names, folded; it is asked about these and names below them only. Empty for all.
    """

    def __init__(
        self,
        function: Callable[..., object],
        *,
        seconds: float = 0.25,
        otherwise: Verdict = PASS,
        keep: float = 1.0,
        below: Sequence[str] = (),
        threads: bool = False,
    ) -> None:
        """
        For the parameters see the attributes.

        @param below: names as text.

        @raise CallerFault: one is not valid, or the function takes what it cannot be told.
        """
        self.function = function
        self.name = str(getattr(function, "__qualname__", function))
        if not 0 < seconds <= _LONGEST:
            raise CallerFault(f"{self.name}: seconds is {seconds}; right is more than 0 and at most {_LONGEST}")
        if not 0 <= keep <= _KEPT:
            raise CallerFault(f"{self.name}: keep is {keep}; right is 0 to {_KEPT:,.0f} seconds")
        if not isinstance(otherwise, Verdict):
            raise CallerFault(f"{self.name}: otherwise is {otherwise!r}; right is a verdict, such as PASS or refuse()")
        if isinstance(below, str):
            raise CallerFault(f"{self.name}: below is a text; right is a list of names")
        self.seconds, self.otherwise, self.keep, self.threads = seconds, otherwise, keep, threads
        if threads and inspect.iscoroutinefunction(getattr(function, "ask", function)):
            raise CallerFault(f"{self.name} is a coroutine function, which waits without a thread; leave threads out")
        try:
            self.below = tuple([nameFromText(each).lower() for each in below])
        except BadName as error:
            raise CallerFault(f"{self.name}: below: {error}") from None
        self.kinds = _kindsOf(function, self.name)
        self.parameters = tuple(self.kinds)
        self.told = tuple([each for each in self.parameters if each not in _GIVEN])
        self._followers: list[Callable[[], object]] = []

    def changed(self) -> None:
        """
        Forget all verdicts, as what they depend on has changed. To be called in the thread of the reactor.
        """
        for follower in self._followers:
            follower()

    def follow(self, changed: Callable[[], object]) -> None:
        """
        Have a function called whenever verdicts are to be forgotten.
        """
        self._followers.append(changed)

    def leave(self, changed: Callable[[], object]) -> None:
        """
        Call it no more.
        """
        self._followers.remove(changed)

    @property
    def isPersonal(self) -> bool:
        """
        Whether a verdict is for one client.
        """
        return any(each in _OF_CLIENT for each in self.parameters)

    @property
    def isOfAnswer(self) -> bool:
        """
        Whether it decides about an answer, once there is one.
        """
        return "answer" in self.parameters

    @property
    def isOfClient(self) -> bool:
        """
        Whether it decides about a client, whatever that asks.
        """
        return self.told == ("client",) and not self.below

    def __repr__(self) -> str:
        return f"<Hook {self.name}({', '.join(self.parameters)})>"


class Hooked(Protocol[_Parameters, _Result]):
    """
    A function that L{hook} was applied to: as it was, and with a L{Hook}.
    """

    hook: Hook

    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result: ...


def hook(
    *, seconds: float = 0.25, otherwise: Verdict = PASS, keep: float = 1.0, below: Sequence[str] = (), threads: bool = False
) -> Callable[[Callable[_Parameters, _Result]], Hooked[_Parameters, _Result]]:
    """
    Say how a function is to be asked. For the parameters see L{Hook}. The function stays what it is; its L{Hook} is its attribute C{hook}.
    """

    def decorated(function: Callable[_Parameters, _Result]) -> Hooked[_Parameters, _Result]:
        hooked = cast("Hooked[_Parameters, _Result]", function)
        hooked.hook = Hook(function, seconds=seconds, otherwise=otherwise, keep=keep, below=below, threads=threads)
        return hooked

    return decorated


def hookOf(function: Callable[..., object]) -> Hook:
    """
    Return the hook of a function: that of the decorator, or one with what that has by default.

    @raise CallerFault: the function takes what it cannot be told.
    """
    found = getattr(function, "hook", None)
    if not isinstance(found, Hook):
        found = cast("Hooked[..., object]", function).hook = Hook(function)
    return found


def _kindsOf(function: Callable[..., object], name: str) -> dict[str, type]:
    """
    Return the parameters of a function, with the class of what each is to be.

    @raise CallerFault: there are none, or it cannot be told one.
    """
    asked = getattr(function, "ask", None) if isinstance(function, type) else function
    if asked is None:
        raise CallerFault(f"{name}: the class has no method ask; that is what decides")
    try:
        signature = inspect.signature(asked, eval_str=True)
    except (NameError, TypeError, ValueError) as error:
        raise CallerFault(f"{name}: its parameters cannot be read: {error}") from None
    given = list(signature.parameters.values())[1 if isinstance(function, type) else 0 :]
    right = f"right are some of {', '.join((*_OF_QUERY, *_OF_CLIENT, *_OF_ANSWER))}, and resolver to look up names"
    if all(each.name in _GIVEN for each in given):
        raise CallerFault(f"{name} takes nothing of the query, so its verdict would be the same for all; {right}")
    kinds: dict[str, type] = {}
    for each in given:
        isNamed = each.name in (*_OF_QUERY, *_OF_CLIENT, *_OF_ANSWER, *_GIVEN)
        if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.POSITIONAL_ONLY) or not isNamed:
            raise CallerFault(f"{name} takes {each}, which a hook cannot be told; {right}")
        kinds[each.name] = _kindOf(each, name)
    return kinds


#: What a parameter may be annotated with, besides C{str}.
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "name": (bytes,),
    "key": (bytes,),
    "type": (int,),
    "client": (IPv4Address, IPv6Address),
    "network": (IPv4Network, IPv6Network),
}


def _kindOf(parameter: inspect.Parameter, name: str) -> type:
    annotation = parameter.annotation
    if parameter.name in _GIVEN:
        return object
    if parameter.name in _OF_ANSWER:
        if annotation in (inspect.Parameter.empty, Answered):
            return Answered
        raise CallerFault(f"{name}: {parameter.name} is annotated {annotation!r}; right is Answered of twisted_ext.hooks")
    if annotation in (inspect.Parameter.empty, str):
        return str
    others = _KINDS.get(parameter.name, ())
    if annotation in others or (get_args(annotation) and set(get_args(annotation)) == set(others)):
        return others[0]
    right = " or ".join(["str", *([" | ".join([each.__name__ for each in others])] if others else [])])
    raise CallerFault(f"{name}: {parameter.name} is annotated {annotation!r}; right is {right}")
