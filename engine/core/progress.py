"""Lines of progress as Docker's API streams them. Pure.

The bar and the numbers are drawn for clients that show them as they are (docker-py, Compose); the docker command draws its own.
"""

from typing import Any

Line = dict[str, Any]
_BAR = 50
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def status_line(status: str, line_id: str = "") -> Line:
    """A line that says one thing, about one object where ``line_id`` names it."""
    return {"status": status, "progressDetail": {}, "id": line_id} if line_id else {"status": status}


def progress_line(status: str, line_id: str, *, current: int, total: int) -> Line:
    """How far something is, in bytes; a ``total`` of 0 is not known."""
    detail = {"current": current, **({"total": total} if total > 0 else {})}
    return {"status": status, "progressDetail": detail, "progress": format_progress(current, total), "id": line_id}


def error_line(message: str) -> Line:
    """What ends a stream that has begun."""
    return {"errorDetail": {"message": message}, "error": message}


def format_progress(current: int, total: int) -> str:
    """Return the bar and the numbers; nothing where nothing is known."""
    if total <= 0:
        return f"{format_size(current):>8}" if current > 0 else ""
    filled = min(_BAR, current * 100 // total // 2)
    numbers = f"{format_size(current):>8}" + (f"/{format_size(total)}" if current <= total else "")
    return f"[{'=' * filled}>{' ' * (_BAR - filled)}] {numbers}"


def format_size(size_bytes: float) -> str:
    """Four digits and a decimal unit, as Docker's clients write sizes."""
    unit = 0
    while size_bytes >= 1000 and unit < len(_UNITS) - 1:
        size_bytes, unit = size_bytes / 1000, unit + 1
    return f"{size_bytes:.4g}{_UNITS[unit]}"
