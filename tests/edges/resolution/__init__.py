"""
Tests of L{twisted_ext.edges.resolution}.
"""
