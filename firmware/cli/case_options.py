"""A case as somebody types it: options, or a small file. Nothing is filled in for anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from firmware.errors import ConfigError
from firmware.messages import Consent
from firmware.toml_lines import tomllib

CaseFile = Annotated[Path | None, typer.Option("--case", help="A file (TOML) that says what the options below say.")]
State = Annotated[str, typer.Option(help="With consent: given, refused (from now on) or withdrawn (erases).")]
Video = Annotated[bool, typer.Option("--video", help="With consent: it covers the picture.")]
Audio = Annotated[bool, typer.Option("--audio", help="With consent: it covers sound.")]
Stills = Annotated[bool, typer.Option("--stills", help="With consent: it covers single pictures made of it.")]
By = Annotated[str, typer.Option(help="With consent: who gave it.")]
Evidence = Annotated[str, typer.Option(help="With consent: on what evidence.")]
EvidenceKind = Annotated[str, typer.Option(help="With consent: written, electronic or spoken.")]
SecondSignature = Annotated[str, typer.Option(help="With consent: who signed too.")]
Purpose = Annotated[str, typer.Option(help="With consent: what the recording is for, in one sentence.")]
PurposeClass = Annotated[str, typer.Option(help="With consent: clinical, education, quality or public-media.")]
Audience = Annotated[str, typer.Option(help="With consent: who will see it.")]
Destination = Annotated[str, typer.Option(help="With consent: where it will live.")]
RetentionDays = Annotated[int, typer.Option(help="With consent: for how many days it is kept.")]
MedicalRecord = Annotated[str, typer.Option(help="With consent: yes or no, whether it becomes part of it.")]
Procedure = Annotated[str, typer.Option(help="With consent: the type of procedure.")]
CaseId = Annotated[str, typer.Option(help="With consent: the open case that is meant.")]


def consent_from(case_file: Path | None, **said: Any) -> Consent:
    """The Consent that the file and the options say; an option wins over the file. Raises ConfigError.

    What is missing for a consent that is given is the device's to say, by the site's policy too.
    """
    told = _read(case_file) if case_file is not None else {}
    told |= {name: value for name, value in said.items() if value}
    if not told.get("state"):
        raise ConfigError("The state of the consent is not said",
                          todo="add --state given, refused or withdrawn, or state in the file")
    try:
        return msgspec.convert(told, Consent)
    except msgspec.ValidationError as error:
        raise ConfigError(f"The case cannot be read: {error}", todo="docs/consent.md lists what it may say") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The case file {path} cannot be read ({error.strerror})", todo="check its name") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The case file {path} is not TOML ({error})", todo="see docs/consent.md") from None
    return told
