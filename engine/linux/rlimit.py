"""Resource limits of the calling process (getrlimit(2))."""

import resource


def raise_open_files(wanted: int) -> None:
    """Allow up to ``wanted`` open descriptors, as far as the hard limit goes; never fewer than now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
