"""
A DNS engine for Twisted: look up, cache, resolve and serve names in the
application's own process, with Deferreds.

Most programs want one of these:

  - L{twisted_ext.client}: look names up; install a resolver into the reactor.
  - L{twisted_ext.testing}: the same without a network, for tests.
  - L{twisted_ext.interfaces}: the interfaces that applications may implement.

This package imports no submodule, so a program pays only for what it uses.
"""
