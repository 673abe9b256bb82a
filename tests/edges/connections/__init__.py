"""
Tests of L{twisted_ext.edges.connections}.
"""
