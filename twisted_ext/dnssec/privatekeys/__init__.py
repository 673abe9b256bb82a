"""
Sign zones that others rely on: private keys, and the files in which they are kept.
"""
