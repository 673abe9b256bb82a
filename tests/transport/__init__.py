"""
Tests of how queries travel.
"""
