"""
Service discovery: turn a domain's records into an ordered list of hosts and ports to connect to. This package sends no queries.
"""
