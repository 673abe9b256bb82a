"""
The packet cache: replies kept by the octets of their queries, and sent again without touching a reactor, clock or socket and without
allocating an object.
"""
