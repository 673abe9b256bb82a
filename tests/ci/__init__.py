"""
Tests of the scripts that check and build the project.
"""
