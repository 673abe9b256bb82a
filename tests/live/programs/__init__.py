"""
Live tests of programs, also by other authors, that use our resolver.
"""
