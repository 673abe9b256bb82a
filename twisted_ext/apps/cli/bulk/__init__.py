"""
C{txdns bulk}: performs any number of look-ups and writes one JSON line for each.
"""
