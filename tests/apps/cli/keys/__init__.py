"""
Tests of L{twisted_ext.apps.cli.keys}.
"""
