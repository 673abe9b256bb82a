"""
Tests of the conversion of Pi-hole's configuration.
"""
