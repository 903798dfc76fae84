"""An image's history as Docker's JSON. Owns the shape only."""

from typing import Any

from engine.core.timeformat import parse_time
from engine.errors import InvalidParameter
from engine.service.list_images import ImageView


def history_json(lineage: list[ImageView], layer_sizes: list[int]) -> list[dict[str, Any]]:
    """Return the entries, newest first; the newest carries the image's id and names, the next its parent's and so on.

    ``lineage`` begins with the image; ``layer_sizes`` are its own, base first.
    """
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
        for entry in lineage[0].image.config.history
    ]
    entries.reverse()
    for entry, view in zip(entries, lineage, strict=False):
        entry.update({"Id": view.image.id, "Tags": view.tags or None})
    return entries


def _seconds(text: str) -> int:
    try:
        return (parse_time(text, now_ns=0) or 0) // 10**9
    except InvalidParameter:
        return 0
