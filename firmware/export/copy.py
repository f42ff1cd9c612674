"""A sealed copy: a closed recording with its keys and timestamps attached, all an archive needs in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from firmware.durable import append_behind, new_file
from firmware.errors import DamagedRecording, DiskFault, InterruptedRecording
from firmware.vault.attachments import Attachment, AttachmentType, Timestamp, pack, pack_timestamp
from firmware.vault.format import RecordType
from firmware.vault.frames import Frame, FrameProblem
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from firmware.vault.report import VerifyReport
from hw.disk import forget_cached

_PIECE_BYTES = 4 << 20


def write_sealed_copy(
    path: str, keystore: Keystore, timestamps: Sequence[Timestamp], target: str,
    *, progress: Callable[[int, int], None] | None = None, replace: bool = False,
) -> VerifyReport:
    """Write the recording at `path` and its attachments to `target`, which must not exist; returns its verification.

    With `replace`, `target` may exist, and be `path` itself: a sealed copy that gets timestamps which came later.

    The copy is read back from its disk and checked, every byte, before it gets its name; `progress(done_bytes,
    total_bytes)` counts writing and reading back. What is attached already is kept. Raises InterruptedRecording for
    one that was never closed, DamagedRecording, KeyFault (its keys are nowhere), DiskFault (also: `target` exists).
    """
    with Recording.open(path, keystore) as recording:
        end = _end(recording)
        attached = _attachments(recording, end.end, timestamps)
        total = recording.size_bytes + len(attached)
        tell = progress or (lambda done, of: None)
        reports: list[VerifyReport] = []

        def check(written: str) -> None:
            forget_cached(written)
            with Recording.open(written) as copy:
                report = copy.verify(lambda done, _: tell(total + done, 2 * total))
                problem, written_end = report.first_problem, copy.end_record()
            if problem is not None:
                raise DamagedRecording(
                    f"the copy of {path} does not verify: {problem.text}", meaning="No copy was kept",
                    todo="run `scrubcam verify` on the recording; if it is whole, check the target's disk",
                )
            assert written_end is not None
            assert written_end.chain == end.chain  # the chain covers every byte before it
            reports.append(report)

        try:
            with new_file(target, exclusive=not replace, check=check) as file:
                offset = 0
                while piece := recording.read(offset, _PIECE_BYTES):
                    file.write(piece)
                    offset += len(piece)
                    tell(offset, 2 * total)
                file.write(attached)
        except FileExistsError as error:
            raise DiskFault(f"{target} exists already", meaning="It was left as it is", todo="choose another name",
                            ) from error
    return reports[0]


def add_timestamps(
    path: str, keystore: Keystore, timestamps: Sequence[Timestamp],
    *, progress: Callable[[int, int], None] | None = None,
) -> None:
    """Give the sealed copy at `path` those of `timestamps` that it does not have. Raises as `write_sealed_copy`.

    It is written anew beside itself, checked, and takes its place in one step; when none is missing it is not touched.
    """
    with Recording.open(path) as recording:
        missing = _missing(recording.attachments(_end(recording).end), timestamps)
    if missing:
        write_sealed_copy(path, keystore, missing, path, progress=progress, replace=True)


def attach_keys(path: str, keystore: Keystore) -> None:
    """Make a closed recording that nobody shares a sealed copy by appending its keys, then take them out of `keystore`.

    For a recording made by a person's own command: it is theirs already, and a second copy would cost its size again.
    Killed in the middle, the keys are still in `keystore`, and running it again ends what was begun: whatever part of
    an attachment stands behind the end record is replaced. Raises as `write_sealed_copy`.
    """
    with Recording.open(path, keystore) as recording:
        identity, torn = recording.header.recording_id, recording.end_record() is None
        end = _end_before_torn_attachments(recording) if torn else _end(recording)
        if torn or end.end == recording.size_bytes:
            append_behind(path, end.end, pack(AttachmentType.KEY_ENVELOPE, keystore.get(identity)))
    with Recording.open(path) as recording:
        recording.key_envelope()  # it is there, or the keystore keeps it
    keystore.destroy(identity)


def _end_before_torn_attachments(recording: Recording) -> Frame:
    """The end record of a whole recording behind which something begins that is no whole attachment."""
    try:
        for frame in recording.frames():
            if frame.kind == RecordType.END:
                return frame
    except FrameProblem:
        pass
    return _end(recording)


def _end(recording: Recording) -> Frame:
    end = recording.end_record()
    if end is None:
        raise InterruptedRecording(
            f"{recording.path} has no end record", meaning="It was left as it is",
            todo="wait until it is stopped; after a crash, start the recorder once: it closes it",
        )
    return end


def _attachments(recording: Recording, offset: int, timestamps: Sequence[Timestamp]) -> bytes:
    """What is to be appended: the keys and those of `timestamps` that are not attached already."""
    attached = list(recording.attachments(offset))
    keyed = any(one.kind == AttachmentType.KEY_ENVELOPE for one in attached)
    keys = b"" if keyed else pack(AttachmentType.KEY_ENVELOPE, recording.key_envelope())
    return keys + b"".join(map(pack_timestamp, _missing(attached, timestamps)))


def _missing(attached: Iterable[Attachment], timestamps: Sequence[Timestamp]) -> list[Timestamp]:
    there = {one.payload for one in attached if one.kind == AttachmentType.TIMESTAMP}
    return [one for one in timestamps if msgspec.json.encode(one) not in there]
