"""
How a zone is kept: the mapped image, the overlay of changes, the journal, and the versions that these make.
"""
