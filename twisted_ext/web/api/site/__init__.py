"""
The site of the API: who may ask for what, and the form of replies.
"""
