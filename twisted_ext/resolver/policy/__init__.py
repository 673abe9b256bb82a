"""
Policy: filters of answers, and the rules of lists.
"""
