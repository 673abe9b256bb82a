"""
Listeners: sockets, and the servers for UDP and TCP.
"""
