"""
Proxies in front of the server, and the clients that they name.
"""
