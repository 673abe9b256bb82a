"""
What clients of the plain server are told of its encrypted listeners.
"""
