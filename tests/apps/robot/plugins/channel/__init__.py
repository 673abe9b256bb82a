"""
Tests of the plugins for channels and the persons in them.
"""
