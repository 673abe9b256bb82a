"""
The process that keeps the history of queries, and what reads it. It needs neither Twisted nor the rest of the server.
"""
