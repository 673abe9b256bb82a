"""
Answering from the cache, coalescing equal questions, serving stale answers.
"""
