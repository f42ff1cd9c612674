"""The file operations that change a disk, on the operating system. Nothing else in the product syncs or renames.

What root makes in somebody's folder belongs to that somebody: a command that is run as root must leave nothing in the
unit's folders that the unit's own user cannot read.
"""

from __future__ import annotations

import contextlib
import os


class OsFiles:
    """hw.ports.Files: each method is one system call."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        handle = os.open(path, flags | os.O_CLOEXEC, mode)
        owner = _owner_of_folder(path) if flags & os.O_CREAT else None
        if owner is not None:
            with contextlib.suppress(PermissionError):  # a stick's file system knows no owners
                os.fchown(handle, *owner)
        return handle

    def write(self, handle: int, data: bytes | memoryview) -> int:
        return os.write(handle, data)

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(handle, data, offset)

    def truncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def fsync(self, handle: int) -> None:
        os.fsync(handle)

    def fdatasync(self, handle: int) -> None:
        os.fdatasync(handle)

    def close(self, handle: int) -> None:
        os.close(handle)

    def rename(self, old: str, new: str) -> None:
        os.replace(old, new)

    def link(self, old: str, new: str) -> None:
        os.link(old, new)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        os.mkdir(path, mode)
        owner = _owner_of_folder(path)
        if owner is not None:
            with contextlib.suppress(PermissionError):
                os.chown(path, *owner, follow_symlinks=False)

    def sync_directory(self, folder: str) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _owner_of_folder(path: str) -> tuple[int, int] | None:
    """User and group of the folder that `path` lies in, for root in a folder that is not root's; else None."""
    if os.geteuid() != 0:
        return None
    folder = os.stat(os.path.dirname(os.path.abspath(path)))
    return (folder.st_uid, folder.st_gid) if folder.st_uid != 0 else None
