"""What was used: lab hours, from what hosts observe of labs, and what their engines count for each tenant.

Decides on lab hours only: all else is the engine's to refuse.
"""
