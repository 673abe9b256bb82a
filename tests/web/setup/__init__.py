"""
Tests of L{twisted_ext.web.setup}.
"""
