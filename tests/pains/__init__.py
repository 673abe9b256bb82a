"""
Known problems of users of Twisted's DNS, each of them solved.
"""
