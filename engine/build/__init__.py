"""Dockerfile builds: a plan of steps, their keys in the cache, and what is copied into an image."""
