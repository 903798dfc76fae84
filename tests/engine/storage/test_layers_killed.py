"""A daemon may be killed at any moment: what the next one finds is whole, and what it does not know goes."""

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.storage.layers import LayerStore
from tests.engine.storage.tar_archives import names_in

pytestmark = pytest.mark.requires_root

# Takes layers in each way, over and over, and removes them again.
PROGRAM = """
import io, pathlib, sys
from engine.storage.layers import LayerStore
from tests.engine.storage.tar_archives import archive, member

root = pathlib.Path(sys.argv[1])
store = LayerStore(root / "layers")
print("ready", flush=True)
for turn in range(10**6):
    upper = root / f"upper{turn}"
    upper.mkdir()
    for number in range(50):
        (upper / f"f{number}").write_bytes(b"%d" % turn * 1000)
    adopted = store.adopt(upper)
    raw = archive([member(f"f{number % 40}", b"%d" % turn * 1000) for number in range(50)])
    unpacked = store.unpack(io.BytesIO(raw))
    with store.open_tar(unpacked.diff_id) as tar:
        assert tar.read() == raw
    if turn % 3 == 0:
        store.release([adopted.diff_id, unpacked.diff_id])
        store.collect([])
"""


@pytest.mark.parametrize("turn", range(6))
def test_a_store_is_whole_whenever_its_daemon_was_killed(tmp_path: Path, turn: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path], stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"ready\n"
        time.sleep(random.Random(turn).random() / 5)  # any moment will do
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    store = LayerStore(tmp_path / "layers")
    assert names_in(tmp_path / "layers/staging") == []
    for name in names_in(tmp_path / "layers"):
        if len(name) == 64:
            with store.open_tar(f"sha256:{name}") as tar:
                raw = tar.read()
            assert hashlib.sha256(raw).hexdigest() == name
            assert len(raw) == store.tar_size(f"sha256:{name}")


def test_a_layer_whose_recipe_is_lost_still_serves_containers(tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper/f").write_bytes(b"x")
    diff_id = LayerStore(tmp_path / "layers").adopt(tmp_path / "upper").diff_id
    place = tmp_path / "layers" / diff_id[7:] / "disk"
    for name in ("tar.recipe", "tar.moves"):
        (place / name).unlink()
    shutil.rmtree(place / "kept")
    store = LayerStore(tmp_path / "layers")
    assert (store.path(diff_id) / "f").read_bytes() == b"x"
