"""
Response policy zones: rules about names, addresses and clients that are published as zones.
"""
