"""
Sources that decide what is answered locally, filtered or limited.
"""
