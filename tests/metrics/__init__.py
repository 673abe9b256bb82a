"""
Tests of L{twisted_ext.metrics}.
"""
