"""
Child processes that build zone images.
"""
