"""Teams, memberships with a role, and quotas. Must not know labs: usage is handed in as numbers."""
