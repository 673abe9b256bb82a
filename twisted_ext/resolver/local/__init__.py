"""
Names that are answered from what this machine or its operator says: hosts files, local records, zones and domains, and special names.
"""
