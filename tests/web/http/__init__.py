"""
Tests of L{twisted_ext.web.http}.
"""
