"""
Where requests come in: sockets, datagrams and streams.
"""
