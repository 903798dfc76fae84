"""The agent of a host: a Celery worker that carries out jobs through the engine's socket and reports what it sees.

A client like any other: imports no other room of the engine, has no database, keeps nothing that it cannot lose.
"""
