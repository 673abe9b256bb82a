"""
Live tests of the console.
"""
