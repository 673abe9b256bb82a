"""
Tests of the record types' rdata.
"""
