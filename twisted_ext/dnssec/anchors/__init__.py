"""
Trust anchors: which keys are trusted without a chain, from files and built in; rollovers of those keys (RFC 5011); negative trust anchors.
"""
