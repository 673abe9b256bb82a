"""
What twisted.names has, made of what this package has, and the other way round: names, records, results, messages, resolvers, zones.
"""
