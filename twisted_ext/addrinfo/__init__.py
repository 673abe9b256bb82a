"""
Addresses to connect to and the names of both ends, as the C library's functions have them: looked up, put in order, and told by
name again.
"""
