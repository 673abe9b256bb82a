"""
The command txdns.
"""
