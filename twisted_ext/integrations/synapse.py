"""
Lets Synapse use this resolver, as a module in its configuration::

    modules:
      - module: twisted_ext.integrations.synapse.FederationResolver
        config:
          resolver: "system:stale=86400"

It looks up the SRV records of homeservers and their addresses, of both families and without threads. This module does not import Synapse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, cast

from twisted.internet.interfaces import IReactorCore
from twisted.names import client

from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.lookups.ask import resolverOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription

__all__ = ["FederationResolver"]

#: What the machine is configured to use.
_DESCRIPTION: Final = "system"


class _Asking(Protocol):
    """
    Twisted's module of functions that look names up.
    """

    theResolver: object


class FederationResolver:
    """
    A module of Synapse's that lets all of Synapse look names up here: its reactor, and whatever of it calls functions of
    L{twisted.names.client}, as its C{SrvResolver} does.

    @ivar resolver: what they ask. It is closed when the reactor stops.
    """

    def __init__(self, config: NamesResolver, api: object) -> None:
        """
        @param config: what L{parse_config} made.
        @param api: Synapse's, which is of no use here.
        """
        self.resolver = config
        config.install()
        cast(_Asking, client).theResolver = config
        cast(IReactorCore, globalReactor()).addSystemEventTrigger("during", "shutdown", config.close)

    @staticmethod
    def parse_config(config: object) -> NamesResolver:
        """
        @param config: C{resolver}, a description of whom to ask, and nothing else. Without it, what the machine is configured to use.

        @raise BadDescription: something else.
        """
        given = {} if config is None else config
        if not isinstance(given, Mapping):
            raise BadDescription(f"config: {given!r:.80} is not a list of options; write 'resolver: system' below it, or leave it out")
        unknown = [name for name in given if name != "resolver"]
        if unknown:
            raise BadDescription(f"config: there is no option {unknown[0]!r:.80}; there is 'resolver'")
        description = given.get("resolver", _DESCRIPTION)
        if not isinstance(description, str):
            raise BadDescription(f"resolver: {description!r:.80} is not a description such as 'system' or 'cache:udp:192.0.2.1'")
        return resolverOf(description, globalReactor())
