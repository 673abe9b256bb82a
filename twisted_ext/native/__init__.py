"""
What an optional C extension does faster than Python, and the same in Python: batches of datagrams, and SipHash-2-4.
"""
