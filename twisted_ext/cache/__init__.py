"""
The cache: answers, failures, and their lifetimes. Pure: the time is an argument.
"""
