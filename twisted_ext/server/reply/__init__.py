"""
Request processing: parsing, the gates that a request passes, and the reply.
"""
