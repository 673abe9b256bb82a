"""
Tests of twisted_ext, in folders that mirror it.
"""
