"""
Resolution as this machine is configured: resolv.conf, the hosts file, the C library.
"""
