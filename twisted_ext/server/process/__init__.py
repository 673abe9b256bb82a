"""
Several worker processes that form one server, and their parent.
"""
