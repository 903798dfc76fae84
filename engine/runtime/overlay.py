"""A container's rootfs: an overlay of id-mapped layers as a detached mount, made by the supervisor with the host's rights.

Layers go to the kernel as descriptors, so their number and names have no limit but the kernel's 500. Kernels before 6.13 want
paths: there the same mount is made in a passing mount namespace where each layer has a short one.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.core.launch import RootfsSpec
from engine.linux.fscontext import FilesystemContext
from engine.linux.identity import set_file_ids
from engine.linux.mount import MOUNT_ATTR_NODEV, MS_NODEV, MS_PRIVATE, MS_REC, mount, move_mount, open_tree
from engine.linux.namespaces import CLONE_NEWNS, open_namespace, setns, unshare
from engine.linux.prctl import PR_GET_SECUREBITS, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, prctl
from engine.runtime.descriptors import Descriptors
from engine.runtime.rootfs import open_mapped

# An upper directory then holds whole files and whole directories, which is what diff and commit read.
_OPTIONS = {"metacopy": "off", "redirect_dir": "off", "index": "off"}
_NO_DESCRIPTORS = (errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP)  # how kernels say that a layer must be a path
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STAGE = "/dev"  # a directory of every host; covered in the passing namespace only


class _DescriptorsRefusedError(Exception):
    """This kernel takes layers by path only."""


def mount_overlay(spec: RootfsSpec, *, userns_fd: int, root_uid: int, by_path: bool = False) -> int:
    """A detached overlay mount whose layers are id-mapped; on disk everything keeps the container's own ids.

    Device nodes in a layer stay without effect (nodev): their superblock is the host's, so they would open real devices.
    ``by_path`` takes the way of older kernels at once.
    """
    above, upper = os.path.split(spec["upper"])
    beside, work = os.path.split(spec["work"])
    if above != beside:
        raise OSError(errno.EXDEV, "the work directory must stand beside the upper directory", spec["work"])
    flags = ["volatile"] if spec.get("volatile") else []
    with Descriptors() as opened:
        writable = opened.add(open_mapped(above, userns_fd=userns_fd))
        lower_fds = [opened.add(open_mapped(layer, userns_fd=userns_fd)) for layer in reversed(spec["lower"])]
        if not by_path:
            upper_fd, work_fd = (opened.add(os.open(name, _DIRECTORY, dir_fd=writable)) for name in (upper, work))
            try:
                return _mount_by_descriptor(lower_fds, upper_fd=upper_fd, work_fd=work_fd, root_uid=root_uid, flags=flags)
            except _DescriptorsRefusedError:
                pass
        return _mount_by_path(lower_fds, writable_fd=writable, upper=upper, work=work, root_uid=root_uid, flags=flags)


def _mount_by_descriptor(lower_fds: list[int], *, upper_fd: int, work_fd: int, root_uid: int, flags: list[str]) -> int:
    with FilesystemContext("overlay") as context:
        context.set_string("source", "overlay")
        try:
            for fd in lower_fds:
                context.set_fd("lowerdir+", fd)
            context.set_fd("upperdir", upper_fd)
            context.set_fd("workdir", work_fd)
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                raise _DescriptorsRefusedError from error
            raise
        for key, value in _OPTIONS.items():
            context.set_string(key, value)
        for flag in flags:
            context.set_flag(flag)
        _as_container_root(root_uid, context.create)
        return context.mount(MOUNT_ATTR_NODEV)


def _mount_by_path(lower_fds: list[int], *, writable_fd: int, upper: str, work: str, root_uid: int, flags: list[str]) -> int:
    """Overlayfs takes only layers that are attached in the caller's mount namespace, so there is one for a moment."""
    with _passing_mount_namespace():
        mount("tmpfs", _STAGE, "tmpfs")
        for number, fd in enumerate([writable_fd, *lower_fds]):
            os.mkdir(f"{_STAGE}/{number}")
            move_mount(fd, f"{_STAGE}/{number}")
        target = f"{_STAGE}/m"
        os.mkdir(target)
        lower = ":".join(f"{_STAGE}/{number}" for number in range(1, len(lower_fds) + 1))
        data = [f"lowerdir={lower}", f"upperdir={_STAGE}/0/{upper}", f"workdir={_STAGE}/0/{work}"]
        data += [*(f"{key}={value}" for key, value in _OPTIONS.items()), *flags]
        _as_container_root(root_uid, lambda: mount("overlay", target, "overlay", MS_NODEV, ",".join(data)))
        return open_tree(target)


@contextmanager
def _passing_mount_namespace() -> Iterator[None]:
    """A copy of the mount namespace; leaving it throws the copy away. The working directory is kept."""
    with Descriptors() as opened:
        own = opened.add(open_namespace(os.getpid(), "mnt"))
        directory = opened.add(os.open(".", os.O_PATH | os.O_CLOEXEC))
        unshare(CLONE_NEWNS)
        try:
            mount(None, "/", None, MS_REC | MS_PRIVATE)
            yield
        finally:
            setns(own, CLONE_NEWNS)
            os.fchdir(directory)


def _as_container_root(uid: int, create: Callable[[], None]) -> None:
    """Overlayfs writes into its work directory as whoever mounts it, and the host's root has no id in a mapped layer.

    So the container's root does, for file access only; the securebit keeps the capabilities meanwhile.
    """
    securebits = prctl(PR_GET_SECUREBITS)
    prctl(PR_SET_SECUREBITS, securebits | SECBIT_NO_SETUID_FIXUP)
    try:
        set_file_ids(uid, uid)
        create()
    finally:
        set_file_ids(0, 0)
        prctl(PR_SET_SECUREBITS, securebits)
