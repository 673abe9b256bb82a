"""
The source and the compiled package give equal results for the same inputs.
"""
