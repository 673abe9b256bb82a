"""
Catalog zones (RFC 9432): what they list, and what a new version changes.
"""
