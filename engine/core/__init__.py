"""Pure rules and data: no disk, clock, network, environment or randomness in here."""
