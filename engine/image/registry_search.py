"""Search: Docker Hub's own interface, and for any other registry a look through its catalog. Lists come in pages."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from yarl import URL

from engine.core.json_parts import check_parts
from engine.core.registry_answers import parse_next_link, shown
from engine.errors import InvalidParameter, Unavailable
from engine.image.registry_lane import Call
from engine.image.registry_redirects import resolve
from engine.image.registry_visitor import Answer, Visitor

MOST_RESULTS = 100
_MOST_PAGES = 20
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A repository that was found."""

    name: str
    description: str = ""
    star_count: int = 0
    is_official: bool = False
    is_automated: bool = False


async def search_hub(visitor: Visitor, term: str, *, limit: int) -> list[SearchResult]:
    """Ask Docker Hub; raises Unavailable where its answer is none."""
    query = URL.build(query={"q": term, "n": str(limit)}).raw_query_string
    document = _document(visitor, await visitor.answer(Call("GET", URL(f"/v1/search?{query}", encoded=True))))
    entries = document.get("results") or []
    return [_result(entry) for entry in entries[:limit] if isinstance(entry, dict) and isinstance(entry.get("name"), str)]


def _result(entry: Mapping[str, Any]) -> SearchResult:
    stars = entry.get("star_count")
    return SearchResult(
        name=shown(entry["name"]),
        description=shown(str(entry.get("description") or "")),
        star_count=stars if isinstance(stars, int) and not isinstance(stars, bool) else 0,
        is_official=entry.get("is_official") is True,
        is_automated=entry.get("is_automated") is True,
    )


async def search_catalog(visitor: Visitor, term: str, *, limit: int) -> list[SearchResult]:
    """Look for repositories with ``term`` in their name, as many pages as are likely to matter."""
    found: list[SearchResult] = []
    async with aclosing(pages(visitor, "/v2/_catalog", "repositories")) as listed:
        async for names in listed:
            found += [SearchResult(shown(f"{visitor.lane.name}/{name}")) for name in names if term in name]
            if len(found) >= limit:
                break
    return found[:limit]


async def pages(visitor: Visitor, path: str, key: str) -> AsyncGenerator[list[str], None]:
    """Give the texts of a list, page by page; raises Unavailable where an answer is none."""
    place = URL(f"{path}?n={_PAGE}", encoded=True)
    for _ in range(_MOST_PAGES):
        answer = await visitor.answer(Call("GET", place))
        yield [name for name in _document(visitor, answer).get(key) or [] if isinstance(name, str)]
        following = parse_next_link(answer.links)
        if not following:
            return
        place = resolve(visitor.lane, answer.url, following)


def _document(visitor: Visitor, answer: Answer) -> dict[str, Any]:
    try:
        check_parts(answer.body, "the answer")
        document = json.loads(answer.body)
    except (ValueError, RecursionError, InvalidParameter):
        document = None
    if not isinstance(document, dict) or not all(
        isinstance(document.get(key, []), list | None) for key in ("results", "repositories", "tags")
    ):
        raise Unavailable(f"registry {visitor.lane.name} answers a question for names with something else")
    return document
