"""
The cache: answers, failures, their lifetimes and their credibility. Pure: the time is an argument.
"""
