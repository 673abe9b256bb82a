"""
Resolver descriptions such as C{cache:udp:192.0.2.1}, from which answer sources are built.
"""
