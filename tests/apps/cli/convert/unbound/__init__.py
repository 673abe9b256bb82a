"""
Tests of L{twisted_ext.apps.cli.convert.unbound}.
"""
