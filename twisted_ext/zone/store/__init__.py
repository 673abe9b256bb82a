"""
Storage of zones: the mapped image, the overlay of changes, the journal, and the versions built from these.
"""
