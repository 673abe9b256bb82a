"""
Transports for queries: datagrams and streams, reply matching, connection reuse, deadlines.
"""
