"""
C{txdns zone}: checks, formats, compares and edits zones in files.
"""
