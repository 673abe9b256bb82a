"""
Connections to what a name stands for: endpoints, their descriptions, and the attempts that they make.
"""
