"""
Which clients are answered.
"""
