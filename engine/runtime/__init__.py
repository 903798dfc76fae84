"""What lives around the processes of containers: the supervisor, init, exec and logs. Knows neither images nor HTTP."""
