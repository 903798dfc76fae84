"""Tenants as the engine keeps them: their slices of user ids."""
