"""
From a request to its reply: what is asked, the gates that it has to pass, and what is said.
"""
