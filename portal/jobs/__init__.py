"""Jobs: a row, then a message to the agent of a host, then its reports. Must not know what a job is for."""
