"""
The process that sends spans.
"""
