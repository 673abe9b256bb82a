"""
The DNS wire format, free of I/O: names, records, messages, options, signatures.
"""
