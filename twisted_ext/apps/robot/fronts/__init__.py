"""
Where the robot is spoken to: IRC networks, a console, a webhook.
"""
