"""
What users of Twisted's DNS have suffered from, each gone.
"""
