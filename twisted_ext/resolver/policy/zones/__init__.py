"""
Response policy zones: rules about names, addresses and clients, as the records of a zone.
"""
