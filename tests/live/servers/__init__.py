"""
Live tests of servers: processes, sockets, load, and clients by other authors.
"""
