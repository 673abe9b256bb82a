"""
Zones among servers: transfers both ways, notices of changes, catalogs, and the keys that show who asks.
"""
