"""Atelier's portal: people, teams, quotas, labs and jobs; all it does to a host goes through the engine's API."""
