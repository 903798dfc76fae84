"""Machines with an engine, as far as their agent's reports tell."""
