"""
The guided tour, typed.
"""
