"""
The pages of blocking, and what their forms describe.
"""
