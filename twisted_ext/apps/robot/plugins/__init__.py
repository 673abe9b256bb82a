"""
The robot's built-in plugins, in folders by what they are about: channels, DNS, and documents on the web.
"""
