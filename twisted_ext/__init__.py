"""
A DNS engine for Twisted: look up, cache, resolve and serve names in the application's own process, with Deferreds.

Most applications use one of these:

  - L{twisted_ext.client}: look up names; install a resolver into the reactor.
  - L{twisted_ext.testing}: the same without a network, for tests.
  - L{twisted_ext.interfaces}: the interfaces that applications may implement.

This package imports no submodule, so an application loads only what it uses.
"""
