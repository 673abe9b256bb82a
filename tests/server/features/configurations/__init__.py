"""
Tests of the settings files that were in force.
"""
