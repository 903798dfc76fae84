"""Who did what and when, kept after the objects are gone. Must not decide anything."""
