"""
Live tests of look-ups against name servers by other authors.
"""
