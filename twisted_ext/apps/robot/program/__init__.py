"""
The robot as a program: its settings file, its service for twistd, and its console.
"""
