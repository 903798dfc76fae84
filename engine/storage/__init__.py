"""Folders on disk: layers, the containers' writable layers, and their removal. Mounts nothing and knows no image."""
