"""
What operators see of the views of their settings.
"""
