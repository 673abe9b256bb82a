"""
Policy sources: answers made locally, filters, and limits.
"""
