"""Images: records, names, archives. Knows no container and no HTTP."""
