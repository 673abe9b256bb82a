"""
A running server, as those who operate it see it and have a say in it.
"""
