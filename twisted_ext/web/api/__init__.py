"""
The API: HTTP and JSON by which other programs read and change the zones of a server.
"""
