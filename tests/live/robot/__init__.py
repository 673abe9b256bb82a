"""
Tests of the robot with a real IRC server (ngircd) and a real client library (irc from PyPI).
"""
