"""
C{txdns bulk}: any number of look-ups, one JSON line each.
"""
