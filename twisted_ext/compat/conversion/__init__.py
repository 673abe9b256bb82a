"""
Conversions between the objects of twisted.names and those of this package: names, records, results, messages, errors.
"""
