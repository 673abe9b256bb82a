"""
Where settings come from: the TOML file, what was added while the server ran, and plugins; and the help text made from their declarations.

What a setting is, and its type, is in L{twisted_ext.server.config}.
"""
