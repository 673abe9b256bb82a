"""
Programs for people.
"""
