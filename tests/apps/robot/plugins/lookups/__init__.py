"""
Tests of the plugins that look up names and zones.
"""
