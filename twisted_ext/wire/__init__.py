"""
The wire format, without any input or output: names, records, messages, options, signatures.
"""
