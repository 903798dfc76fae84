"""Use cases of the engine, one verb a file. Knows neither HTTP nor system calls."""
