"""
Protection of clients against DNS rebinding.
"""
