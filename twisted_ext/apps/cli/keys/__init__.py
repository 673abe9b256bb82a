"""
C{txdns keys}: keys that sign zones.
"""
