"""
Answer sources: everything that answers questions, and what can be wrapped around it.
"""
