"""
Queries that were answered before, answered again from their octets: no reactor, no clock, no socket, and no object made on the way.
"""
