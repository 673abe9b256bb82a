"""
Sites of a server: their limits, their service, and HTTPS.
"""
