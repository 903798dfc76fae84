"""Atelier's container engine: one daemon per host that speaks the Docker Engine API on a unix socket."""

__version__ = "0.1.0"
