"""WebSockets: live pages, terminals, logs. Looks at hosts, never changes them but for the shell of a terminal."""
