"""An image's history as Docker's JSON. Owns the shape only."""

from typing import Any

from engine.core.timeformat import parse_time
from engine.errors import InvalidParameter
from engine.service.images import ImageView


def history_json(view: ImageView, layer_sizes: list[int]) -> list[dict[str, Any]]:
    """Return the entries, newest first; the newest carries the image's id and names."""
    sizes = iter(layer_sizes)
    entries: list[dict[str, Any]] = [
        {
            "Id": "<missing>",
            "Created": _seconds(entry.created),
            "CreatedBy": entry.created_by,
            "Tags": None,
            "Size": 0 if entry.empty_layer else next(sizes, 0),
            "Comment": entry.comment,
        }
        for entry in view.image.config.history
    ]
    if entries:
        entries[-1] |= {"Id": view.image.id, "Tags": view.tags or None}
    return entries[::-1]


def _seconds(text: str) -> int:
    try:
        return (parse_time(text, now_ns=0) or 0) // 10**9
    except InvalidParameter:
        return 0
