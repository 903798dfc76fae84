"""Kernel facilities, one a file: thin, with the kernel's names, errno raised as OSError. Nothing here decides anything."""
