"""
Resolution as this host is configured: resolv.conf, the hosts file, the C library.
"""
