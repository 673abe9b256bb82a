"""
The names of the server's own network.
"""
