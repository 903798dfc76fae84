"""Users and signing in. Must not know teams, labs or hosts."""
