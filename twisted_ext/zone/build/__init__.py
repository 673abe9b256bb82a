"""
Building the images of zones, in processes of their own.
"""
