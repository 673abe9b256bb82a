"""
Where other people's interfaces are met: twisted.names, the reactor, endpoints.
"""
