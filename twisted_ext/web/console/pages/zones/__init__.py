"""
The pages of zones of the console.
"""
