"""
Parse resolver descriptions that name a Python object: C{names:twisted.names.client.getResolver}.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from twisted_ext.compat.foreign import isResolver, sourceOf
from twisted_ext.errors import BadDescription, WrongType
from twisted_ext.interfaces import IAnswerSource

if TYPE_CHECKING:
    from twisted_ext.resolver.strings.descriptions import Site

__all__ = ["parseNames"]


def parseNames(site: Site, path: str) -> IAnswerSource:
    """
    Use an existing C{IResolver} of C{twisted.names}, behind a cache or in a chain.

    @param path: the dotted path of a resolver, or of a callable that returns one: C{names:twisted.names.client.getResolver}.


    @return: L{NamesSource<twisted_ext.compat.foreign.NamesSource>}
    @raise BadDescription: the object does not exist, or is not a resolver.
    """
    found = _find(path)
    if callable(found) and (isinstance(found, type) or not isResolver(found)):
        try:
            found = found()
        except Exception as error:
            raise BadDescription(f"names: {path}() raised {type(error).__name__}: {error}") from error
    try:
        return sourceOf(found, site.reactor)
    except WrongType as fault:
        raise BadDescription(f"names: {path}: {fault}") from None


def _find(path: str) -> object:
    words = path.split(".")
    if len(words) < 2 or not all(word.isidentifier() for word in words):
        raise BadDescription(f"names: {path!r} is not a dotted path, such as twisted.names.client.getResolver")
    for count in range(len(words) - 1, 0, -1):
        name = ".".join(words[:count])
        try:
            found: object = import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                continue
            raise BadDescription(f"names: {name} cannot be imported: {error}") from error
        except Exception as error:
            raise BadDescription(f"names: {name} cannot be imported: {type(error).__name__}: {error}") from error
        for index, word in enumerate(words[count:], count):
            try:
                found = getattr(found, word)
            except AttributeError:
                raise BadDescription(f"names: {'.'.join(words[:index])} has no {word!r}") from None
        return found
    raise BadDescription(f"names: there is no module {words[0]!r}")
