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
from typing import Protocol, cast

from twisted.internet.interfaces import IReactorCore
from twisted.names import client

from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.lookups.ask import resolverOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription

__all__ = ["FederationResolver"]


class _Asking(Protocol):
    """
    The module L{twisted.names.client}.
    """

    theResolver: object


class FederationResolver:
    """
    A Synapse module that replaces the resolver of Synapse's reactor and that of the functions of L{twisted.names.client}, which
    C{SrvResolver} calls.

    @ivar resolver: the resolver in use. It is closed when the reactor stops.
    """

    def __init__(self, config: NamesResolver, api: object) -> None:
        """
        @param config: the result of L{parse_config}.
        @param api: Synapse's module API, which is not used.
        """
        self.resolver = config
        config.install()
        cast(_Asking, client).theResolver = config
        cast(IReactorCore, globalReactor()).addSystemEventTrigger("during", "shutdown", config.close)

    @staticmethod
    def parse_config(config: object) -> NamesResolver:
        """
        Create a resolver from the module's configuration.

        @param config: the only option is C{resolver}, a description; by default, the system's configuration.

        @raise BadDescription: the configuration is not valid.
        """
        given = {} if config is None else config
        if not isinstance(given, Mapping):
            raise BadDescription(f"config: {given!r:.80} is not a list of options; write 'resolver: system' below it, or leave it out")
        unknown = [name for name in given if name != "resolver"]
        if unknown:
            raise BadDescription(f"config: there is no option {unknown[0]!r:.80}; there is 'resolver'")
        description = given.get("resolver", "system")
        if not isinstance(description, str):
            raise BadDescription(f"resolver: {description!r:.80} is not a description such as 'system' or 'cache:udp:192.0.2.1'")
        return resolverOf(description, globalReactor())
