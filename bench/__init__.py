"""Measures this engine beside dockerd and runc on one machine, in one run: `sudo .venv/bin/python -m bench [figures]`.

Everything runs in a temporary folder of its own and is taken down at the end. Clients only: the engine is driven through its
socket, the portal through a browser.
"""
