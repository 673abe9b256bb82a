"""
The features that this file adds to servers.
"""

from greeting import GreetingFeature

greeting = GreetingFeature()
