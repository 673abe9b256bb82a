"""
DNS cookies of clients.
"""
