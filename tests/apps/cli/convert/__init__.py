"""
Tests of C{txdns convert}.
"""
