"""The verdict on one recording, gathered record by record and attachment by attachment. Reads nothing itself."""

from __future__ import annotations

import hashlib

from firmware.errors import TimestampFault
from firmware.json_data import decode_json
from firmware.vault.attachments import Attachment, AttachmentProblem, AttachmentType, Timestamp
from firmware.vault.format import RecordType, StoredHeader
from firmware.vault.frames import Frame, FrameProblem, StoredProblem
from firmware.vault.report import Problem, RecordingInfo, VerifyReport, count
from firmware.vault.timestamps import covers


class Verification:
    """Fed by `Recording.verify` in the file's order; `report` then says what was found."""

    def __init__(self, header: StoredHeader, fingerprint: str, size_bytes: int, start: int) -> None:
        self.info = RecordingInfo(header, fingerprint, size_bytes)
        self.where = start
        """End of what was judged so far, a byte offset."""
        self.covered: dict[str, tuple[int, bytes]] = {}
        """What a timestamp may cover: "start" and "end" as (record number, chain value)."""
        self.timestamps: list[Timestamp] = []
        self.key_envelope = False
        self._attachments = self._signed = self._late = self._unsigned = self._torn = self._after = 0
        self._problem: Problem | None = None

    def frame(self, frame: Frame) -> None:
        """The next record, whole and in order. Raises FrameProblem when it contradicts those before it."""
        info = self.info
        count(info, frame)
        self.where = frame.end
        if frame.kind == RecordType.SIGNATURE:
            self.covered.setdefault("start", (frame.seq, frame.chain))
            self._signed, self._unsigned = info.records, 0
        elif frame.kind == RecordType.END:
            self.covered["end"] = (frame.seq, frame.chain)
            self._signed, self._late = info.records, self._unsigned if info.state == "interrupted" else 0
            end = info.end
            if end and (end.records, end.fragments, end.frames) != (info.records, info.fragments, info.frames):
                raise FrameProblem(frame.seq, frame.offset, f"the end record counts {end.records} records and "
                                   f"{end.fragments} fragments, the file holds {info.records} and {info.fragments}")
        elif frame.kind != RecordType.INDEX:  # recovery adds an index of its own
            self._unsigned += 1

    def attachment(self, attachment: Attachment) -> None:
        """The next attachment, whole. Raises AttachmentProblem when it is not this recording's."""
        self.where = attachment.end
        self._attachments += 1
        if attachment.kind == AttachmentType.KEY_ENVELOPE:
            if hashlib.sha256(attachment.payload).hexdigest() != self.info.header.key_envelope_sha256:
                raise AttachmentProblem(attachment.number, attachment.offset,
                                        "the key envelope is not this recording's")
            if self.key_envelope:
                raise AttachmentProblem(attachment.number, attachment.offset, "there is a second key envelope")
            self.key_envelope = True
        elif attachment.kind == AttachmentType.TIMESTAMP:
            self._timestamp(attachment)

    def stop(self, found: StoredProblem, records_after: int, attached: bool) -> None:
        """The file is not whole at this place. `attached`: whole attachments stand at its end all the same."""
        torn = found.kind == "torn" and not records_after and not attached
        self.info.state = "unfinished" if torn else "unsupported" if found.kind == "unsupported" else "damaged"
        self._torn = self.info.size_bytes - found.offset if torn else 0
        self._after = records_after
        self._problem = Problem(found.place, found.offset, str(found))

    def report(self, trusted: frozenset[str] | set[str] | None) -> VerifyReport:
        """What is to be said of the recording; `trusted` holds device fingerprints."""
        info, header, problem = self.info, self.info.header, self._problem
        if info.state == "unfinished":
            problem = Problem(f"record {info.records}", self.where, "the recording was never closed: it is still being "
                              f"written, power was lost, or its end was cut off after record {info.records - 1}")
        known = None if trusted is None else info.device_fingerprint in trusted
        if problem is None and known is False:
            problem = Problem("header", 0,
                              f"the device that signed it ({info.device_fingerprint}) is not a trusted one")
        return VerifyReport(
            ok=problem is None, state=info.state, recording_id=header.recording_id,
            device_name=header.device.name, device_fingerprint=info.device_fingerprint, trusted=known,
            records=info.records, signed_records=self._signed, late_signed_records=self._late,
            fragments=info.fragments, frames=info.frames, duration_ns=info.duration_ns, size_bytes=info.size_bytes,
            torn_bytes=self._torn, records_after=self._after, end_reason=info.end.reason if info.end else "",
            ended_unix_s=info.end.unix_s if info.end else None, first_problem=problem, statement=info.statement,
            attachments=self._attachments, key_envelope=self.key_envelope, timestamps=self.timestamps,
            chain_values={at: chain for at, (_, chain) in self.covered.items()},
        )

    def _timestamp(self, attachment: Attachment) -> None:
        try:
            timestamp = decode_json(attachment.payload, Timestamp)
        except ValueError as error:
            raise AttachmentProblem(attachment.number, attachment.offset,
                                    f"the timestamp cannot be read ({error})") from error
        if self.covered.get(timestamp.at, (-1, b""))[0] != timestamp.record:
            raise AttachmentProblem(attachment.number, attachment.offset,
                                    f"the timestamp is not over the record of the recording's {timestamp.at}")
        try:
            if not covers(timestamp.token, self.covered[timestamp.at][1]):
                raise AttachmentProblem(attachment.number, attachment.offset,
                                        f"the timestamp is not of the chain value at the recording's {timestamp.at}")
        except TimestampFault as fault:
            raise AttachmentProblem(attachment.number, attachment.offset, fault.what) from fault
        self.timestamps.append(timestamp)
