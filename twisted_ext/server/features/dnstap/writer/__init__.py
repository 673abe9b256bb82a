"""
The process that writes dnstap.
"""
