"""
Names of one label, which are not for upstreams.
"""
