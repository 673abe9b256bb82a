"""
What a hook is told: the values of its parameters, and the key under which its verdict is kept, which is all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import blake2b
from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from twisted_ext.answers import Answer, QueryContext, Security
from twisted_ext.hooks.answered import answeredFrom
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.hooks.functions import Hook
    from twisted_ext.interfaces import IAnswerSource

__all__ = ["Asked", "Telling", "keyFunction"]

#: The length of the prefix of one site in IPv6.
_SITE: Final = 64

#: Resolvers whose adapters are kept: an application may make one for each query.
_SOURCES: Final = 64


#: What a hook is asked about: the question, its context, the answer that it decides about, which is none before there is one, and what
#: stands behind the hook. A plain tuple, as one is made for each query.
Asked: TypeAlias = "tuple[Question, QueryContext, Answer | None, IAnswerSource | None]"


class Telling:
    """
    Tells one hook what its parameters name.

    @ivar keyOf: returns what a verdict is kept under.
    """

    def __init__(self, hook: Hook, view: str, clock: IReactorTime) -> None:
        self._view = view
        self._clock = clock
        self.keyOf = keyFunction(hook.parameters)
        self._values = [self._valueOf(each, kind) for each, kind in hook.kinds.items()]
        self._resolver: tuple[object, object] = (None, None)
        # With the resolvers, so that no other one gets the number of one of them.
        self._sources: dict[int, tuple[object, IAnswerSource]] = {}

    def valuesOf(self, asked: Asked) -> list[object]:
        """
        Return the values of the parameters, in their order.
        """
        return [value(asked) for value in self._values]

    def _valueOf(self, parameter: str, kind: type) -> Callable[[Asked], object]:
        match parameter:
            case "name" if kind is bytes:
                return lambda asked: asked[0].key[:-4]
            case "name":
                return lambda asked: nameToText(asked[0].key[:-4], final=False)
            case "type":
                return (lambda asked: asked[0].rrType) if kind is int else (lambda asked: typeName(asked[0].rrType))
            case "client" if kind is str:
                return lambda asked: asked[1].client
            case "client":
                return lambda asked: ip_address(str(asked[1].client))
            case "network":
                return _networkOf if kind is str else lambda asked: ip_network(_networkOf(asked))
            case "transport":
                return lambda asked: asked[1].transport
            case "key" if kind is bytes:
                return lambda asked: asked[1].keyName.lower()
            case "key":
                return lambda asked: nameToText(asked[1].keyName.lower(), final=False) if asked[1].keyName else ""
            case "answer":
                return lambda asked: answeredFrom(cast("Answer", asked[2]))
            case "resolver":
                return self._resolverOf
        return lambda asked: self._view

    def _resolverOf(self, asked: Asked) -> object:
        """
        Return a resolver on top of what stands behind the hook.
        """
        behind, made = self._resolver
        if behind is not asked[3]:
            made = _adapter("twisted_ext.compat.names", "NamesResolver")(asked[3], self._clock)
            self._resolver = asked[3], made
        return made

    def sourceOf(self, resolver: object) -> IAnswerSource:
        """
        Return a source for a resolver of the application.

        @raise twisted_ext.errors.WrongType: it is not a resolver.
        """
        known = self._sources.get(id(resolver))
        if known is None:
            if len(self._sources) >= _SOURCES:
                self._sources.clear()
            made = cast("IAnswerSource", _adapter("twisted_ext.compat.foreign", "sourceOf")(resolver, self._clock))
            known = self._sources[id(resolver)] = resolver, made
        return known[1]


def keyFunction(parameters: Collection[str]) -> Callable[[Asked], object]:
    """
    Return a function that returns what a verdict is kept under: the values of all of these parameters.
    """
    about: Callable[[Asked], object]
    if "name" in parameters:
        about = (lambda asked: asked[0].key) if "type" in parameters else (lambda asked: asked[0].key[:-4])
    else:
        about = (lambda asked: asked[0].rrType) if "type" in parameters else (lambda asked: 0)
    further: list[Callable[[Asked], object]] = []
    if "answer" in parameters:
        further.append(lambda asked: _digestOf(cast("Answer", asked[2])))
    if "transport" in parameters:
        further.append(lambda asked: asked[1].transport)
    if "key" in parameters:
        further.append(lambda asked: asked[1].keyName)
    if "client" in parameters:
        further.append(lambda asked: asked[1].client)
    elif "network" in parameters:
        further.append(_networkOf)
    match further:
        case []:
            return about
        case [one]:
            return lambda asked: (about(asked), one(asked))
    return lambda asked: (about(asked), *[each(asked) for each in further])


def _adapter(module: str, name: str) -> Callable[[object, IReactorTime], object]:
    # Adapters stand above servers, which need them only if an application brings a resolver of its own, or asks for one.
    return cast("Callable[[object, IReactorTime], object]", getattr(import_module(module), name))


def _digestOf(answer: Answer) -> bytes:
    """
    Return octets that differ for answers with other data. With these as keys, verdicts about large answers take no more memory.
    """
    digest = blake2b(b"%d %d" % (answer.rcode, answer.security is Security.SECURE), digest_size=16)
    for rrset in answer.answer:
        digest.update(b"%b %d %d " % (rrset.name.lower(), rrset.rrType, len(rrset.rdatas)))
        for rdata in rrset.rdatas:
            digest.update(len(rdata).to_bytes(2, "big") + rdata)
    return digest.digest()


def _networkOf(asked: Asked) -> str:
    """
    Return the network that a client is alone in: an IPv4 address, or the /64 of an IPv6 one.
    """
    client = str(asked[1].client)
    return str(ip_network((client, 32 if "." in client else _SITE), strict=False))
