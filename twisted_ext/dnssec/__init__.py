"""
DNSSEC: keys, signatures and what they prove (RFC 4033 to 4035, RFC 6840), free of I/O. The time is an argument.
"""
