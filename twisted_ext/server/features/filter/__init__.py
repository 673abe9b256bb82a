"""
Answers of upstreams without the addresses of one family.
"""
