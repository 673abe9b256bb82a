"""
Tests of proofs of nonexistence.
"""
