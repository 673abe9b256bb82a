"""
Converts the configuration of CoreDNS.
"""
