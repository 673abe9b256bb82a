"""
Sites of a server: their limits, their service, and HTTPS.

DNS over HTTPS is in L{twisted_ext.server.listeners.https}.
"""
