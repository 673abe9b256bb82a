"""
The robot's built-in plugins, one module each.
"""
