"""
The status page and metrics over HTTP.
"""
