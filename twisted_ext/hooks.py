"""
Hooks: functions of an application that decide what a server answers, and may wait for what they decide by.

The parameters of the function are what its verdict depends on. It is told these and nothing else, and the verdict is kept under their
values, so no client gets what was decided for another one::

    @hook(seconds=0.25, otherwise=refuse(), keep=60)
    async def customer(name, client):
        rows = await pool.runQuery("SELECT 1 FROM blocked WHERE client = ? AND name = ?", (client, name))
        return refuse("not in your plan") if rows else PASS
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NamedTuple, ParamSpec, Protocol, TypeVar, cast, get_args

from twisted_ext.errors import BadName, BadRecord, CallerFault
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import CNAME, NSEC, NSEC3, OPT, RRSIG, typeNumber

__all__ = ["DROP", "PASS", "TRUNCATE", "Hook", "Hooked", "Verdict", "answer", "hook", "nodata", "nxdomain", "refuse"]

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result", covariant=True)

#: What a hook may be told of a query; of the client, if it takes one of the latter.
_OF_QUERY: Final = ("name", "type", "view")
_OF_CLIENT: Final = ("client", "network")

#: Records and octets of an answer, so that it fits into a message over TCP and no reply is a flood.
_MOST_RECORDS: Final = 256
_MOST_OCTETS: Final = 16_384

#: The longest TTL (RFC 2181, section 8).
_MOST_TTL: Final = 0x7FFFFFFF

#: Seconds that a hook may take: over UDP no answer is sent that is older than 1.9 seconds.
_LONGEST: Final = 1.5

#: The longest that a verdict may be kept, in seconds.
_KEPT: Final = 86_400.0

#: Characters of the text of an extended error.
_TEXT: Final = 200

#: Types whose records only the signer of a zone makes, and those that no zone has (RFC 6895, section 3.1).
_PROOFS: Final = (RRSIG, NSEC, NSEC3)
_META: Final = (OPT, *range(128, 256))

# Info codes of extended errors (RFC 8914).
_FORGED: Final = 4
_PROHIBITED: Final = 18


class Verdict(NamedTuple):
    """
    What a hook decides. The functions of this module make verdicts.

    @ivar word: C{"pass"}, C{"drop"}, C{"truncate"}, C{"refuse"} or C{"answer"}.
    @ivar rcode: the rcode of the reply.
    @ivar ede: its extended errors.
    @ivar records: those of the answer: type, TTL and the payloads of each set.
    """

    word: str
    rcode: int = 0
    ede: tuple[tuple[int, str], ...] = ()
    records: tuple[tuple[int, int, tuple[bytes, ...]], ...] = ()


#: The query goes on: to the next hook, to rules and lists, and to the cache and the servers.
PASS: Final = Verdict("pass")

#: There is no reply over UDP; over a connection, whose client would wait, it is refused.
DROP: Final = Verdict("drop")

#: Over UDP the client is told to ask over TCP, which shows that its address is its own. Over a connection the query goes on.
TRUNCATE: Final = Verdict("truncate")


def refuse(text: str = "", *, rcode: int = Rcode.REFUSED) -> Verdict:
    """
    The client gets this rcode and no answer.

    @param text: what an extended error of the reply says to its user.

    @raise CallerFault: this is no rcode of an error.
    """
    if not 0 < rcode < 16:
        raise CallerFault(f"the rcode {rcode} is none of an error; right is 1 to 15, such as 5 for REFUSED")
    return Verdict("refuse", rcode, ((_PROHIBITED, text[:_TEXT]),))


def nxdomain() -> Verdict:
    """
    The name does not exist.
    """
    return Verdict("answer", Rcode.NXDOMAIN, ((_FORGED, ""),))


def nodata() -> Verdict:
    """
    The name has no records of the type.
    """
    return Verdict("answer", 0, ((_FORGED, ""),))


def answer(*records: str, ttl: int = 60) -> Verdict:
    """
    The name has these records. If none is of the type of the query, it has no such data; an alias is followed.

    @param records: type and data of each as in a master file, with names in full: C{"A 192.0.2.1"}, C{"CNAME www.example."}.
    @param ttl: for how many seconds clients may keep them; those of a verdict about one client, no longer than the verdict is kept.

    @raise CallerFault: they are not valid, or too many.
    """
    if not 0 < len(records) <= _MOST_RECORDS:
        raise CallerFault(f"an answer of {len(records)} records; right are 1 to {_MOST_RECORDS}")
    if not 0 <= ttl <= _MOST_TTL:
        raise CallerFault(f"the TTL {ttl}; right is 0 to {_MOST_TTL} seconds")
    sets: dict[int, list[bytes]] = {}
    for record in records:
        word, _, text = record.strip().partition(" ")
        number = typeNumber(word)
        if number is None or number in _PROOFS or number in _META:
            raise CallerFault(f"{record!r} is no record of a zone; right is a type and its data, such as A 192.0.2.1")
        try:
            rdata = rdataFromText(number, text.strip())
        except BadRecord as error:
            raise CallerFault(f"the record {record!r}: {error}") from None
        known = sets.setdefault(number, [])
        if rdata not in known:
            known.append(rdata)
    if CNAME in sets and (len(sets) > 1 or len(sets[CNAME]) > 1):
        raise CallerFault("an alias beside other records; right is one CNAME, or records without it")
    if sum(len(rdata) + 12 for rdatas in sets.values() for rdata in rdatas) > _MOST_OCTETS:
        raise CallerFault(f"an answer of more than {_MOST_OCTETS:,} octets")
    return Verdict("answer", 0, ((_FORGED, ""),), tuple([(each, ttl, tuple(rdatas)) for each, rdatas in sets.items()]))


class Hook:
    """
    What is known of a function that decides.

    @ivar function: the function, or a class: an instance is made with the reactor for each server, its method C{ask} is called, and at the
        end C{close}, if it has that.
    @ivar name: how logs and figures call it.
    @ivar parameters: those of the function, each C{name}, C{type}, C{view}, C{client} or C{network}.
    @ivar kinds: the class of each value: C{str}, or what the function is annotated with.
    @ivar seconds: how long it may take.
    @ivar otherwise: the verdict if it fails, or takes longer.
    @ivar keep: for how many seconds a verdict is kept; 0 to ask about each query.
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
        self.seconds, self.otherwise, self.keep = seconds, otherwise, keep
        try:
            self.below = tuple([nameFromText(each).lower() for each in below])
        except BadName as error:
            raise CallerFault(f"{self.name}: below: {error}") from None
        self.kinds = _kindsOf(function, self.name)
        self.parameters = tuple(self.kinds)
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

    def __repr__(self) -> str:
        return f"<Hook {self.name}({', '.join(self.parameters)})>"


class Hooked(Protocol[_Parameters, _Result]):
    """
    A function that L{hook} was applied to: as it was, and with a L{Hook}.
    """

    hook: Hook

    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result: ...


def hook(
    *, seconds: float = 0.25, otherwise: Verdict = PASS, keep: float = 1.0, below: Sequence[str] = ()
) -> Callable[[Callable[_Parameters, _Result]], Hooked[_Parameters, _Result]]:
    """
    Say how a function is to be asked. For the parameters see L{Hook}. The function stays what it is; its L{Hook} is its attribute C{hook}.
    """

    def decorated(function: Callable[_Parameters, _Result]) -> Hooked[_Parameters, _Result]:
        hooked = cast("Hooked[_Parameters, _Result]", function)
        hooked.hook = Hook(function, seconds=seconds, otherwise=otherwise, keep=keep, below=below)
        return hooked

    return decorated


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
    right = f"right are some of {', '.join((*_OF_QUERY, *_OF_CLIENT))}"
    if not given:
        raise CallerFault(f"{name} takes nothing, so its verdict would be the same for all queries; {right}")
    kinds: dict[str, type] = {}
    for each in given:
        if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.POSITIONAL_ONLY) or each.name not in (*_OF_QUERY, *_OF_CLIENT):
            raise CallerFault(f"{name} takes {each}, which a hook cannot be told; {right}")
        kinds[each.name] = _kindOf(each, name)
    return kinds


#: What a parameter may be annotated with, besides C{str}.
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "name": (bytes,),
    "type": (int,),
    "client": (IPv4Address, IPv6Address),
    "network": (IPv4Network, IPv6Network),
}


def _kindOf(parameter: inspect.Parameter, name: str) -> type:
    annotation = parameter.annotation
    if annotation in (inspect.Parameter.empty, str):
        return str
    others = _KINDS.get(parameter.name, ())
    if annotation in others or (get_args(annotation) and set(get_args(annotation)) == set(others)):
        return others[0]
    right = " or ".join(["str", *([" | ".join([each.__name__ for each in others])] if others else [])])
    raise CallerFault(f"{name}: {parameter.name} is annotated {annotation!r}; right is {right}")
