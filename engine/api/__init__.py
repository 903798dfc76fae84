"""The Docker Engine API on a unix socket: routes, decode, one service call, encode."""
