"""The one helper that writes durably: write, fsync, rename, fsync the directory. Nothing else here renames.

Every change goes through hw.ports.Files, so that tests run each operation of the product on a simulated disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from hw.disk import disk_fault
from hw.files import OsFiles
from hw.ports import Files

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
_BUFFER_BYTES = 1 << 20
_BEGIN_BYTES = 16 << 20
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
_files: Files = OsFiles()


@contextlib.contextmanager
def files_on(files: Files) -> Iterator[None]:
    """Within, everything in here goes to another disk: a simulated one. For tests; not for several threads at once."""
    global _files
    before, _files = _files, files
    try:
        yield
    finally:
        _files = before


def write_durably(path: str, data: bytes, *, mode: int = 0o600, exclusive: bool = False) -> None:
    """Put `data` at `path` so that after a power cut either the old or the new content is there, whole.

    With `exclusive`, an existing file is never replaced: FileExistsError. Any other failure is a DiskFault,
    and then `path` is as it was before, or, if only the last sync failed, has the new content.
    """
    with new_file(path, mode=mode, exclusive=exclusive) as file:
        file.write(data)


@contextlib.contextmanager
def new_file(
    path: str, *, mode: int = 0o600, exclusive: bool = False, check: Callable[[str], None] | None = None
) -> Iterator[BinaryIO]:
    """A file to write into, of any size, that gets its name, whole and durable, when the block ends without an error.

    It is seekable, and written under a temporary name in the same folder. With `exclusive`, an existing file is never
    replaced: FileExistsError. Raises DiskFault for every other failure of the disk (any OSError in the block counts as
    one); what else the block raises goes through. After an error nothing is left of it. `check` is called with the
    temporary path of the synced file, and may raise to refuse it its name.
    """
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.tmp")
    try:
        handle = _files.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            _lock(handle)
            _set_mode(handle, mode)
            raw = _Positioned(handle)
            try:
                file = io.BufferedWriter(raw, _BUFFER_BYTES)
                yield file
                file.flush()
            finally:
                raw.close()  # so that what is still buffered after an error goes nowhere
            _files.fsync(handle)
            if check is not None:
                check(temporary)
            _put_in_place(temporary, path, exclusive)
        finally:
            _files.close(handle)
        _files.sync_directory(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            _files.unlink(temporary)
        if isinstance(error, OSError) and not isinstance(error, FileExistsError):
            raise disk_fault(error, path, "writing") from error
        raise


def remove_leftovers(folder: str, of: str = "") -> int:
    """Delete what a crash left of files that never got their name; returns how many. Raises DiskFault.

    One that a running process still writes is locked, and stays. For a start: a half copy may be as large as a whole.
    With `of`, only what is left of a file of that name: for a folder that others write to.
    """
    removed = 0
    try:
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if _TEMPORARY.fullmatch(name) and name.startswith(f".{of}." if of else ".") and not _in_use(path):
                _files.unlink(path)
                removed += 1
        if removed:
            _files.sync_directory(folder)
    except FileNotFoundError:
        return 0  # no folder yet
    except OSError as error:
        raise disk_fault(error, folder, "tidying") from error
    return removed


def rename_durably(old: str, new: str) -> None:
    """Rename within one folder and make it durable. Raises FileExistsError, DiskFault."""
    try:
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        _files.rename(old, new)
        _files.sync_directory(os.path.dirname(os.path.abspath(new)))
    except FileExistsError:
        raise
    except OSError as error:
        raise disk_fault(error, old, "renaming") from error


def remove_durably(path: str) -> None:
    """Delete a file, so that a power cut does not bring it back; one that is gone is no error. Raises DiskFault."""
    try:
        with contextlib.suppress(FileNotFoundError):
            _files.unlink(path)
        _files.sync_directory(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise disk_fault(error, path, "deleting") from error


def wipe_durably(path: str) -> None:
    """Overwrite a small file on the disk, with random bytes and then with zeros, and delete it. Raises DiskFault.

    One that is gone is no error, so it can be run again wherever power went.

    When this returns no power cut brings back the name. A disk that writes elsewhere (flash, a journal of data) may
    keep the old content in places that no program can read through it.
    """
    try:
        handle = _files.open(path, os.O_WRONLY)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise disk_fault(error, path, "wiping") from error
    else:
        try:
            size = os.fstat(handle).st_size
            for content in (secrets.token_bytes(size), bytes(size)):
                _write_at(handle, content, 0)
                _files.fsync(handle)
        except OSError as error:
            raise disk_fault(error, path, "wiping") from error
        finally:
            _files.close(handle)
    remove_durably(path)


def make_folder(path: str, *, mode: int = 0o700) -> None:
    """Make a folder and those above it, each name durable; one that is there already stays as it is. Raises OSError.

    A folder whose own name is not on the disk takes everything in it along when the power goes.
    """
    path = os.path.abspath(path)
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    make_folder(above, mode=mode)
    with contextlib.suppress(FileExistsError):
        _files.mkdir(path, mode)
    _files.sync_directory(above)


def cut_and_append(handle: int, size: int, tail: bytes) -> None:
    """Shorten an open file to `size` bytes, then append `tail`, each made durable before the next. Raises OSError.

    The cut is on the disk before the first new byte, so no old byte can ever be found behind the new ones.
    """
    if os.fstat(handle).st_size != size:
        _files.truncate(handle, size)
        _files.fsync(handle)
    _write_at(handle, tail, size)
    _files.fsync(handle)


def append_behind(path: str, size: int, tail: bytes) -> None:
    """Put `tail` behind the first `size` bytes of a file, durably; what else stood there goes. Raises DiskFault."""
    try:
        handle = _files.open(path, os.O_RDWR)
        try:
            cut_and_append(handle, size, tail)
        finally:
            _files.close(handle)
    except OSError as error:
        raise disk_fault(error, path, "writing") from error


def _lock(handle: int) -> None:
    """Mark a file as being written, for as long as its handle is open. Where locks are unknown it goes without."""
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _in_use(path: str) -> bool:
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


class _Positioned(io.RawIOBase):
    """Raw writing through the port, with a place of its own to write at. Does not own the handle."""

    def __init__(self, handle: int) -> None:
        self._handle, self._at, self._begun = handle, 0, 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        taken = _files.pwrite(self._handle, memoryview(data), self._at)
        self._at += taken
        if self._at - self._begun >= _BEGIN_BYTES:
            # A hint, through no port because it changes nothing: the system begins to write what it has, while the next
            # is being made, instead of all of it at the sync.
            os.posix_fadvise(self._handle, self._begun, self._at - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = self._at
        return taken

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._handle).st_size}[whence]
        self._at = base + offset
        return self._at


def _set_mode(handle: int, mode: int) -> None:
    """Of a file just made, whatever the umask says. Where it is not ours all the same, the file system has no owners
    (a USB stick that root has mounted, a share) and its modes are the mount's business."""
    try:
        os.fchmod(handle, mode)
    except PermissionError:
        if os.fstat(handle).st_uid == os.geteuid():
            raise


def _put_in_place(temporary: str, path: str, exclusive: bool) -> None:
    if not exclusive:
        _files.rename(temporary, path)
        return
    try:
        _files.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT and exFAT (USB sticks) have no links: claim the name first, then replace our own empty claim.
        _files.close(_files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _files.rename(temporary, path)
    else:
        _files.unlink(temporary)


def _write_at(handle: int, data: bytes, offset: int) -> None:
    left = memoryview(data)
    while left:
        taken = _files.pwrite(handle, left, offset)
        left, offset = left[taken:], offset + taken
