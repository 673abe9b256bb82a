"""
What an answer costs as the cache, a zone, or the number of workers grows, and how long garbage collections keep a full server waiting.
"""
