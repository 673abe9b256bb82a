"""
Converts the configuration of AdGuard Home.
"""
