"""
Live tests of zones: read, checked, changed, and transferred among our servers and others.
"""
