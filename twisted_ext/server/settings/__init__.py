"""
All settings of the server, from command-line options and a TOML file, and the help text made from their declarations.
"""
