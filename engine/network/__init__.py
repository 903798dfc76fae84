"""Bridges, endpoints, address leases and the firewall around them."""
