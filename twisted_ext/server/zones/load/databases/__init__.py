"""
Zones in databases: those that the settings name, and those that are added, changed and removed while the server runs.
"""
