"""The kinds of failure the engine knows; the API maps each kind to a status in one place.

EngineError
├── InvalidParameter      the request is wrong; the message says which value and what would be right
│   └── CommandNotRunnable  the container's command cannot be executed (exit code 126 or 127)
├── Forbidden             the caller may not do this
│   ├── Unauthorized      a registry does not accept the caller's credentials
│   └── QuotaExceeded     a limit of the tenant would be passed
├── NotFound              no such object for this tenant
├── Conflict              the object's state or name does not allow it
├── NotModified           already so (a repeated start or stop)
├── Unimplemented         part of the Docker API that this engine leaves out
├── Unavailable           a part the engine needs (supervisor, kernel facility) is missing for now
└── Fault                 the host failed us (system call, disk); a bug or an outage

Messages are lower case, without full stop, and name the object and the bad value.
"""


def reason_of(error: OSError) -> str:
    """Return what went wrong without the path: where the host keeps things is no tenant's affair, and the log has it."""
    return (error.strerror or type(error).__name__).lower()


class EngineError(Exception):
    """Base of all failures whose reason is known."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidParameter(EngineError):
    """The request is wrong."""


class CommandNotRunnable(InvalidParameter):
    """The command of a container or exec cannot be executed.

    ``exit_code`` is what a shell would report: 127 not found, 126 found but not executable.
    """

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Forbidden(EngineError):
    """The caller may not do this."""


class Unauthorized(Forbidden):
    """A registry does not accept the caller's credentials."""


class QuotaExceeded(Forbidden):
    """A tenant's limit would be passed. Amounts are in the resource's own unit (bytes, counts, cpus)."""

    def __init__(self, message: str, *, resource: str, limit: float, used: float, requested: float, tenant: str) -> None:
        super().__init__(message)
        self.resource = resource
        self.limit = limit
        self.used = used
        self.requested = requested
        self.tenant = tenant

    @property
    def figures(self) -> dict[str, object]:
        """What clients are told beside the message."""
        return {
            "resource": self.resource,
            "limit": self.limit,
            "used": self.used,
            "requested": self.requested,
            "tenant": self.tenant,
        }


class NotFound(EngineError):
    """No such object for this tenant."""


class Conflict(EngineError):
    """The object's state or name does not allow it."""


class NotModified(EngineError):
    """The object is already in the wanted state."""


class Unimplemented(EngineError):
    """Part of the Docker Engine API that this engine leaves out."""


class Unavailable(EngineError):
    """A part that the engine needs is missing for now."""


class Fault(EngineError):
    """The host failed us."""
