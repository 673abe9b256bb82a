"""
Settings of the server and of each zone, from command-line options and a TOML file.
"""
