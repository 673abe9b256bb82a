"""
Adapters to Twisted's interfaces: twisted.names, the reactor, endpoints.
"""
