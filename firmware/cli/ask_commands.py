"""`scrubcam ask`: a word to a running device, from the same machine."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from firmware.cli import case_options as cases
from firmware.cli.console import out
from firmware.cli.talk import LoginOption, PassphraseFile, away, connect, log_in, wait_for
from firmware.config import Config
from firmware.errors import ConfigError, Refused
from firmware.ipc import ChannelClosed
from firmware.messages import Answer, Command, StateReport, Subscribe, Verb

ConfigFile = Annotated[Path, typer.Option("--config", help="The running device's scrubcam.toml.")]


def register(app: typer.Typer) -> None:
    app.command("ask")(ask)


def ask(
    verb: Annotated[Verb, typer.Argument(help="What to ask for.")],
    config: ConfigFile,
    note: Annotated[str, typer.Option(help="Goes with a bookmark.")] = "",
    moment: Annotated[str, typer.Option(help="With enter and leave: one of policy.moments.")] = "",
    surgeon: Annotated[str, typer.Option(help="With surgeon: an id of controls.surgeons; empty: the site's.")] = "",
    case: cases.CaseFile = None,
    state: cases.State = "",
    video: cases.Video = False,
    audio: cases.Audio = False,
    stills: cases.Stills = False,
    by: cases.By = "",
    evidence: cases.Evidence = "",
    evidence_kind: cases.EvidenceKind = "",
    second_signature: cases.SecondSignature = "",
    purpose: cases.Purpose = "",
    purpose_class: cases.PurposeClass = "",
    audience: cases.Audience = "",
    destination: cases.Destination = "",
    retention_days: cases.RetentionDays = 0,
    medical_record: cases.MedicalRecord = "",
    procedure: cases.Procedure = "",
    case_id: cases.CaseId = "",
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Ask a running device: status, consent, start, bookmark, pause, resume, stop, enter or leave a moment,
    choose a surgeon.

    Example: `scrubcam ask consent --case case.toml --config scrubcam.toml`. docs/consent.md says what a case must say;
    the link to the patient's record (patient_ref) goes into the file, never on a command line.
    """
    if verb == "erase":
        raise ConfigError("Erasing has a command of its own", todo="use scrubcam erase RECORDING")
    consent = cases.consent_from(
        case, state=state, video=video, audio=audio, stills=stills, by=by, evidence=evidence,
        evidence_kind=evidence_kind, second_signature=second_signature, purpose=purpose, purpose_class=purpose_class,
        audience=audience, destination=destination, retention_days=retention_days, medical_record=medical_record,
        procedure=procedure, case_id=case_id,
    ) if verb == "consent" else None
    channel = connect(_load(config))
    try:
        if login:
            log_in(channel, login, passphrase_file)
        channel.send(Subscribe(after_seq=2**62))
        told = wait_for(channel, StateReport)
        command = Command(id=uuid.uuid4().hex, verb=verb, note=note, consent=consent, moment=moment, surgeon=surgeon)
        channel.send(command)
        answer = wait_for(channel, Answer)
    except ChannelClosed:
        raise away(config) from None
    finally:
        channel.close()
    if not answer.ok:
        raise Refused(f"{verb} was refused: {answer.reason or answer.state}", todo="meet the condition and ask again")
    out.print(f"[bold]{answer.state}[/]" + (f"  {escape(answer.reason)}" if answer.reason else ""))
    if verb == "status":
        if told.case_id:
            out.print(f"  case {told.case_id}")
        if told.surgeon:
            out.print(f"  pedals as for {escape(told.surgeon)}")
        if told.moments:
            out.print(f"  never recorded, and not left yet: {escape(', '.join(told.moments))}")
        on_disk = f"{told.durable_bytes} bytes on the disk" if told.recording_id else "no recording"
        out.print(f"  disk: {told.hours_left:.1f} h left at the present rate")
        out.print(f"  consent {told.consent}; {on_disk}; {escape(told.fault or told.refusal or 'no fault')}")


def _load(config: Path) -> Config:
    from firmware.config_file import load

    return load(config)


