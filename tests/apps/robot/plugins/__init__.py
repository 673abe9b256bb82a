"""
Tests of the robot's built-in plugins.
"""
