"""The vault's disk on a real file system. It appends, syncs and names faults; it knows nothing of what is written."""

from __future__ import annotations

import errno
import fcntl
import os

from firmware.errors import DiskFault
from hw.files import OsFiles
from hw.ports import Files

_KNOWN: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "export and release old recordings, or give the device a larger disk"),
    errno.EDQUOT: ("the disk quota is used up", "export and release old recordings, or raise the quota"),
    errno.EROFS: ("the disk is read-only", "check the disk's health (dmesg, smartctl), then mount it writable"),
    errno.EIO: ("the disk reports an input/output error", "stop using this disk and have it checked (smartctl)"),
    errno.ENODEV: ("the disk is gone", "reconnect the disk"),
    errno.ENXIO: ("the disk is gone", "reconnect the disk"),
    errno.EUCLEAN: ("the file system is damaged", "stop using this disk and have it checked (fsck, smartctl)"),
    errno.EREMOTEIO: ("the disk reports an input/output error", "stop using this disk and have it checked (smartctl)"),
    errno.ETIMEDOUT: ("the disk did not answer in time", "check the disk, its cable or the network"),
    errno.ESTALE: ("the network share was lost", "mount the share again"),
    errno.ENOTCONN: ("the network share was lost", "mount the share again"),
    errno.EHOSTDOWN: ("the network share's server does not answer", "check the network and the server"),
    errno.EFBIG: ("the file is too large for this file system", "format the drive as exFAT or ext4"),
    errno.ENOENT: ("the folder or file does not exist", "create the folder or correct the path"),
    errno.EACCES: ("access is denied", "give the recorder's user the right to write there"),
    errno.EPERM: ("access is denied", "give the recorder's user the right to write there"),
    errno.EEXIST: ("a file of that name exists already", "choose another name; nothing is overwritten"),
    errno.ENOTDIR: ("part of the path is a file, not a folder", "correct the path"),
    errno.EISDIR: ("the path is a folder, not a file", "name a file"),
}


def disk_fault(error: OSError, path: str, doing: str) -> DiskFault:
    """The named fault for an OSError: what was being done, where, what it means, what to do."""
    text, todo = _KNOWN.get(error.errno or 0, (error.strerror or str(error), "check the disk and its mount"))
    return DiskFault(f"{doing} {path} failed: {text}", meaning="What was synced before is safe", todo=todo)


def names_in(folder: str) -> list[str]:
    """What lies in a folder, in name order, hidden and half-written files left out; nothing where there is no such
    folder. Raises DiskFault."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_fault(error, folder, "listing") from error


def forget_cached(path: str) -> None:
    """Have the system drop what it keeps of a synced file in memory, so that the next read comes from the disk.

    A file system in memory, and one that does not know the request, go on as before. Raises DiskFault.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
    except OSError as error:
        raise disk_fault(error, path, "reading") from error


class OsDisk:
    """hw.ports.Disk over the operating system. A handle is a file descriptor.

    A recording being written is locked (flock), so that recovery never closes a file another process still
    writes. The lock ends with the process, however it dies.
    """

    def __init__(self, files: Files | None = None) -> None:
        self._files = files or OsFiles()
        self._paths: dict[int, str] = {}

    def create(self, path: str) -> int:
        """A new file, mode 0600, exclusive and locked; its directory entry is made durable. Raises DiskFault."""
        try:
            handle = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise disk_fault(error, path, "creating") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._files.sync_directory(os.path.dirname(path) or ".")
        except OSError as error:
            self._files.close(handle)
            raise disk_fault(error, path, "creating") from error
        self._paths[handle] = path
        return handle

    def write(self, handle: int, data: bytes) -> None:
        """Append all of `data`. Raises DiskFault; part of `data` may then be in the file."""
        left = memoryview(data)
        try:
            while left:
                left = left[self._files.write(handle, left) :]
        except OSError as error:
            raise disk_fault(error, self._paths.get(handle, "?"), "writing") from error

    def sync(self, handle: int) -> None:
        """Return once everything appended is on the disk. Raises DiskFault.

        After a failed sync the kernel may have dropped the dirty pages and call the next sync a success
        (Linux marks them clean), so a failed file must never be trusted or synced again: the writer gives up.
        """
        try:
            self._files.fdatasync(handle)
        except OSError as error:
            raise disk_fault(error, self._paths.get(handle, "?"), "syncing") from error

    def close(self, handle: int) -> None:
        """Close; a second close of the same handle does nothing."""
        if self._paths.pop(handle, None) is not None:
            self._files.close(handle)

    def free_bytes(self, path: str) -> int:
        """Bytes an ordinary user may still write on the file system of `path`. Raises DiskFault."""
        try:
            stat = os.statvfs(path)
        except OSError as error:
            raise disk_fault(error, path, "measuring") from error
        return stat.f_bavail * stat.f_frsize
