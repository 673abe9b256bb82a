"""
Look-ups as aioxmpp makes them: tried again with something changed, and by a resolver for each thread.
"""
