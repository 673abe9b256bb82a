"""
Where a service is: what records of a domain say about hosts and ports to connect to, and in which order. It decides and asks nothing.
"""
