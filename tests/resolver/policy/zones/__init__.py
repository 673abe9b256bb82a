"""
Tests of L{twisted_ext.resolver.policy}.
"""
