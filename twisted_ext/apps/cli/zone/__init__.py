"""
C{txdns zone}: checks, formats, compares and changes zones in files.
"""
