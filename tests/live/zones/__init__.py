"""
Live tests of zones: read, checked, changed, and handed on among servers of ours and of others.
"""
