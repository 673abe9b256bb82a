"""
The API of PowerDNS, version 1, as far as it means something here: what its clients speak.
"""
