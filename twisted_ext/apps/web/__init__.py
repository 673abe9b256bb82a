"""
The status page and the metrics, by HTTP.
"""
