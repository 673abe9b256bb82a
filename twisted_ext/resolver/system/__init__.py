"""
This machine's configuration: resolv.conf, the hosts file, the C library.
"""
