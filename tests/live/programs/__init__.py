"""
Live tests of programs, other people's among them, that look names up with ours.
"""
