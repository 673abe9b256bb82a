"""
What NSEC and NSEC3 records prove: which names and types do not exist, in one reply and for later questions.
"""
