"""
What has been learned, for how long and how far it is believed; pure, time is an argument.
"""
