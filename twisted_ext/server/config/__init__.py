"""
Types and declarations of settings, the settings of each zone, and the files that settings name.
"""
