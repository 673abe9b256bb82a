"""
The site of the console: who may see what, sessions, and the form of its pages.
"""
