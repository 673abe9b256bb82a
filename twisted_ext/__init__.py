"""
A DNS engine for Twisted: ask, cache, resolve and serve names in the
application's own process, with Deferreds.

Most programs want one of these:

  - L{twisted_ext.client}: look names up; install a resolver into the reactor.
  - L{twisted_ext.testing}: the same without a network, for tests.
  - L{twisted_ext.interfaces}: everything that others may implement or plug in.

Nothing is imported here, so that a program pays only for what it uses.
"""
