"""
Tests of the endpoints that authenticate servers by TLSA records.
"""
