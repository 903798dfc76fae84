"""Helpers without a model that any app may use."""
