"""
Live tests of looking up, with servers that are other people's.
"""
