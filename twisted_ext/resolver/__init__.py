"""
Answer sources and their wrappers: forwarding, caching, policy, search lists, and this machine's configuration.
"""
