"""
Live tests of serving: processes, sockets, load, and the clients that others have.
"""
