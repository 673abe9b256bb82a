"""
Tests of C{txdns api}.
"""
