"""
What clients need to know to use the server over encrypted transports.
"""
