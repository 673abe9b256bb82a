"""
Our recursion beside that of Unbound, BIND, PowerDNS Recursor and Knot Resolver, in an internet of their own.
"""
