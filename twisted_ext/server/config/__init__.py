"""
What settings are: their types and declarations, the values of a server and of each zone, and the files that they name.

Where values come from is in L{twisted_ext.server.settings}; the settings of a feature are in its folder.
"""
