"""
What a server asks for names: its sources in their order, its upstream servers, and its recursive resolver.

What each source does is in L{twisted_ext.resolver}; zones that are served here are in L{twisted_ext.server.zones}.
"""
