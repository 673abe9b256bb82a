"""
Zone transfers in and out, NOTIFY, catalog zones and the storage of secondary zones.
"""
