"""
What an operator can switch on: each feature is a folder with its settings, and with what it adds to the path of a query.

What every server has, whatever its settings, is in the other rooms.
"""
