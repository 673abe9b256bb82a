"""
The settings files that were in force, to go back to.
"""
