"""
What a server can be told, as a whole and of each zone: by options of the command and by a TOML file.
"""
