"""
A DNS engine for Twisted: look up, cache, resolve and serve names in the application's own process, with Deferreds.

Most applications use one of these:

  - L{twisted_ext.client}: look up names; install a resolver into the reactor.
  - L{twisted_ext.testing}: the same without a network, for tests.
  - L{twisted_ext.interfaces}: the interfaces that applications may implement.

This package imports no submodule, so an application loads only what it uses. With C{TXDNS_PURE=1} in the environment, it runs its source
even where it is compiled.
"""
from __future__ import annotations

from os import environ as _environ

if _environ.get("TXDNS_PURE") == "1":
    from twisted_ext._compiled import useSource as _useSource

    _useSource()
