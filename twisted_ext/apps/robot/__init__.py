"""
The information robot: a service that answers DNS questions and others on IRC networks, a console and a webhook. Plugins add commands.
"""
