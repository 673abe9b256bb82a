"""
Caching: the cached source, coalescing of equal look-ups, stale answers.
"""
