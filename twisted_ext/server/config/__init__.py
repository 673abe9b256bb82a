"""
What settings are: their types and declarations, the values of a server and of each zone, and the files that they name.
"""
