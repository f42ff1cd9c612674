"""The one helper that writes durably: write, fsync, rename, fsync the directory. Nothing else here renames."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets

from hw.disk import disk_fault

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


def write_durably(path: str, data: bytes, *, mode: int = 0o600, exclusive: bool = False) -> None:
    """Put `data` at `path` so that after a power cut either the old or the new content is there, whole.

    With `exclusive`, an existing file is never replaced: FileExistsError. Any other failure is a DiskFault,
    and then `path` is as it was before.
    """
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.fchmod(handle, mode)
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        _put_in_place(temporary, path, exclusive)
        sync_directory(folder)
    except FileExistsError:
        raise
    except OSError as error:
        raise disk_fault(error, path, "writing") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def place_durably(temporary: str, path: str, *, exclusive: bool) -> None:
    """Give a finished file its name: sync `temporary` (same folder), put it at `path`, sync the folder.

    With `exclusive`, an existing file is never replaced: FileExistsError. Any other failure is a DiskFault.
    """
    try:
        handle = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        _put_in_place(temporary, path, exclusive)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # left behind when the name was given by a link
        sync_directory(os.path.dirname(os.path.abspath(path)))
    except FileExistsError:
        raise
    except OSError as error:
        raise disk_fault(error, path, "writing") from error


def rename_durably(old: str, new: str) -> None:
    """Rename within one folder and make it durable. Raises FileExistsError, DiskFault."""
    try:
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(old, new)
        sync_directory(os.path.dirname(os.path.abspath(new)))
    except FileExistsError:
        raise
    except OSError as error:
        raise disk_fault(error, old, "renaming") from error


def remove_durably(path: str) -> None:
    """Delete a file, so that a power cut does not bring it back; one that is gone is no error. Raises DiskFault."""
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        sync_directory(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise disk_fault(error, path, "deleting") from error


def cut_and_append(handle: int, size: int, tail: bytes) -> None:
    """Shorten an open file to `size` bytes, then append `tail`, each made durable before the next. Raises OSError.

    The cut is on the disk before the first new byte, so no old byte can ever be found behind the new ones.
    """
    if os.fstat(handle).st_size != size:
        os.ftruncate(handle, size)
        os.fsync(handle)
    os.lseek(handle, size, os.SEEK_SET)
    _write_all(handle, tail)
    os.fsync(handle)


def sync_directory(folder: str) -> None:
    """Make the names in `folder` durable. Raises OSError."""
    handle = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_in_place(temporary: str, path: str, exclusive: bool) -> None:
    if not exclusive:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT and exFAT (USB sticks) have no links: claim the name first, then replace our own empty claim.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.replace(temporary, path)


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
