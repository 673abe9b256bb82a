"""
Tests of the conversion of AdGuard Home's configuration.
"""
