"""
Server metrics: counters and their export. Nothing here uses a reactor, a clock or a socket.
"""
