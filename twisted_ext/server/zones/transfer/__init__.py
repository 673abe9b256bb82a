"""
Zones that are exchanged with other servers: transfers in and out, NOTIFY, catalog zones, and the storage of secondary zones.

The messages of a transfer, without a server, are in L{twisted_ext.zone.transfer}.
"""
