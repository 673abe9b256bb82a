"""
Tests of L{twisted_ext.zone.sign}.
"""
