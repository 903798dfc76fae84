"""Where layers came from, and for whom a pull that did not end keeps them: one small record for each layer.

A source says which blob a layer was in a registry's repository: it saves downloads and uploads. A keeper is a tenant whose pull
has finished the layer but not the image: the layer stays for a day, so that the next pull goes on. All methods may be called
from any thread and may use the disk; those that only answer never wait.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.core.digests import hex_of
from engine.core.records import dump_record, parse_record
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import Fault, reason_of
from engine.storage.files import set_aside, write_record
from engine.storage.layers import LayerStore

_log = logging.getLogger(__name__)

KEPT_NS = 24 * 3600 * 10**9
MOST_SOURCES = 256  # of one layer; a base that each member of a class pushes under a name of their own has many


@dataclass(frozen=True, slots=True)
class Source:
    """A blob in a repository that holds a layer; ``owner`` is who brought it from there or there."""

    domain: str
    path: str
    digest: str
    size: int
    media_type: str
    owner: Tenant = ADMINISTRATOR

    def is_same_blob(self, other: "Source") -> bool:
        return (self.domain, self.path, self.digest) == (other.domain, other.path, other.digest)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who wants a layer that no image has yet, and until when, in nanoseconds since 1970."""

    owner: Tenant
    until_ns: int


@dataclass(frozen=True, slots=True)
class LayerSources:
    """The record of one layer. ``sources`` are oldest first."""

    diff_id: str
    sources: tuple[Source, ...] = ()
    keepers: tuple[Keeper, ...] = ()


class SourceStore:
    """One for each engine; ``root`` belongs to it."""

    def __init__(self, root: Path, layers: LayerStore, *, now_ns: Callable[[], int]) -> None:
        """Read all records, and hold the layers that are kept."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root = root
        self._layers = layers
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._records = {record.diff_id: record for record in self._load()}
        for record in self._records.values():
            layers.hold([record.diff_id] * len(record.keepers))

    def came_from(self, diff_id: str, *, domain: str, path: str, digest: str) -> bool:
        """Whether this very blob of this very repository has once given the layer."""
        wanted = Source(domain, path, digest, 0, "")
        return any(source.is_same_blob(wanted) for source in self._sources(diff_id))

    def known(self, diff_id: str, *, tenant: Tenant) -> list[Source]:
        """Return the blobs that hold a layer, newest first.

        A repository's name is told to those only who see whoever brought the layer there.
        """
        seen = (source for source in self._sources(diff_id) if tenant.sees(source.owner) or source.owner.is_administrator)
        return list(seen)[::-1]

    def is_kept(self, diff_id: str, tenant: Tenant) -> bool:
        """Whether a pull of this very tenant has finished the layer, but not its image."""
        record = self._records.get(diff_id)
        return record is not None and any(keeper.owner == tenant for keeper in record.keepers)

    def add(self, diff_id: str, source: Source, *, keepers: Iterable[Tenant] = ()) -> None:
        """Remember where a stored layer came from, and hold it for those who are still pulling its image.

        Raises NotFound when it has gone, Fault when the disk fails.
        """
        with self._lock:
            was = self._records.get(diff_id, LayerSources(diff_id))
            others = tuple(one for one in was.sources if not (one.is_same_blob(source) and one.owner == source.owner))
            known = {keeper.owner for keeper in was.keepers}
            until_ns = self._now_ns() + KEPT_NS
            added = tuple(Keeper(owner, until_ns) for owner in dict.fromkeys(keepers) if owner not in known)
            made = LayerSources(diff_id, (*others, source)[-MOST_SOURCES:], (*was.keepers, *added))
            self._layers.hold([diff_id] * len(added))
            try:
                self._save(made)
            except BaseException:
                self._layers.release([diff_id] * len(added))
                raise

    def let_go(self, tenant: Tenant, diff_ids: Iterable[str]) -> None:
        """After a pull's end: its image holds the layers now. Raises Fault."""
        for diff_id in dict.fromkeys(diff_ids):
            if self.is_kept(diff_id, tenant):
                self._keep_only(diff_id, lambda keeper: keeper.owner != tenant)

    def expire(self) -> list[str]:
        """Keep no longer what was kept long enough, and forget layers that have gone; return what is held no more."""
        now_ns, freed = self._now_ns(), []
        for diff_id, record in list(self._records.items()):
            if any(keeper.until_ns <= now_ns for keeper in record.keepers):
                self._keep_only(diff_id, lambda keeper: keeper.until_ns > now_ns)
                freed.append(diff_id)
        self._forget(diff_id for diff_id in list(self._records) if not self._layers.has(diff_id))
        return freed

    def _sources(self, diff_id: str) -> tuple[Source, ...]:
        record = self._records.get(diff_id)
        return record.sources if record else ()

    def _keep_only(self, diff_id: str, is_kept: Callable[[Keeper], bool]) -> None:
        with self._lock:
            was = self._records[diff_id]
            kept = tuple(keeper for keeper in was.keepers if is_kept(keeper))
            self._save(replace(was, keepers=kept))
            self._layers.release([diff_id] * (len(was.keepers) - len(kept)))

    def _save(self, record: LayerSources) -> None:
        if record == self._records.get(record.diff_id):
            return
        try:
            write_record(self._path(record.diff_id), dump_record(record))
        except OSError as error:
            raise Fault(f"cannot note where a layer came from: {reason_of(error)}") from error
        self._records[record.diff_id] = record

    def _forget(self, diff_ids: Iterable[str]) -> None:
        with self._lock:
            for diff_id in diff_ids:
                self._path(diff_id).unlink(missing_ok=True)
                del self._records[diff_id]

    def _path(self, diff_id: str) -> Path:
        return self._root / f"{hex_of(diff_id)}.json"

    def _load(self) -> list[LayerSources]:
        found = []
        for path in sorted(self._root.iterdir()):
            if path.name.startswith("."):  # a record that was being written
                path.unlink()
            elif path.suffix == ".json" and (record := self._read(path)) is not None:
                found.append(record)
        return found

    def _read(self, path: Path) -> LayerSources | None:
        try:
            record = parse_record(LayerSources, path.read_bytes())
            if self._path(record.diff_id) != path:
                raise ValueError("it tells of another layer")  # noqa: TRY301 - handled like what cannot be read
        except (OSError, ValueError) as error:
            _log.error("%s cannot be read: %s; %s, layers may be transferred again", path, error, set_aside(path))
            return None
        if not self._layers.has(record.diff_id):
            path.unlink()
            return None
        return record
