"""
Tests of the commands for settings files.
"""
