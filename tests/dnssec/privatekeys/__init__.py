"""
Tests of L{twisted_ext.dnssec.privatekeys}.
"""
