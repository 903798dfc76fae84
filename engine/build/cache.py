"""Keys of the build cache: what must be equal for a step's image to be taken again. Pure.

A key holds together with the image that the step began with, so it tells of the step alone.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from engine.core.digests import sha256_of
from engine.core.image_config import ImageConfig, format_image_config


def step_key(kind: str, config: ImageConfig, *, created_by: str, further: Sequence[str] = ()) -> str:
    """Return the key of a step.

    ``config`` is what the image would be after it, ``created_by`` its history, which names the content of copied files;
    ``further`` is what neither of them tells.
    """
    process = replace(config, created="", diff_ids=(), history=())
    parts = [kind, format_image_config(process).decode(), created_by, *further]
    return sha256_of(json.dumps(parts, ensure_ascii=True).encode())
