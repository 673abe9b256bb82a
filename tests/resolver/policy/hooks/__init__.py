"""
Tests of hooks in force.
"""
