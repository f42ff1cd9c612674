"""`scrubcam verify`: every check that needs no key, and what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from firmware.cli.console import SealedFile, bytes_bar, human_time, out
from firmware.errors import DamagedRecording, InterruptedRecording, UnsupportedRecording
from firmware.vault.format import StoredHeader

if TYPE_CHECKING:
    from firmware.vault.device_ca import ChainVerdict
    from firmware.vault.report import VerifyReport


def register(app: typer.Typer) -> None:
    app.command("verify")(verify)


def verify(
    file: SealedFile,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="List of trusted devices: fingerprints or public keys.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", help="The site's device CA (PEM): trusts the devices that it certified.")
    ] = None,
    tsa_ca: Annotated[
        Path | None, typer.Option("--tsa-ca", help="CA certificates (PEM) of the timestamp authorities to trust.")
    ] = None,
) -> None:
    """Check every byte, without any key: intact, in order, complete, and signed by which device.

    Exit code 0: sealed and whole. 16: whole as far as it goes, but never closed (power cut). 10: damaged.
    18: needs a newer scrubcam.
    """
    from firmware.vault.keys import load_trust_list
    from firmware.vault.reader import Recording

    trusted = load_trust_list(str(trust)) if trust else None
    with Recording.open(str(file)) as recording, bytes_bar("verifying") as bar:
        chain = _chain(recording.header, ca) if ca else None
        if chain:
            trusted = (trusted or frozenset()) | ({recording.device_fingerprint} if chain.trusted else frozenset())
        task = bar.add_task("verifying", total=recording.size_bytes)
        report = recording.verify(lambda done, _total: bar.update(task, completed=done), trusted)
    intact = "[green]yes[/]" if report.intact else "[bold red]no[/]"
    who = {True: "[green]trusted[/]", False: "[bold red]not trusted[/]", None: "not checked (--trust, --ca)"}
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("[bold]intact, in order[/]", f"{intact}: {report.records} records, {report.fragments} fragments, "
                  f"{report.frames} frames, {human_time(report.duration_ns / 1e9)}")
    table.add_row("[bold]complete[/]", "[green]yes, sealed[/]" if report.complete else f"[yellow]no: {report.state}[/]")
    table.add_row("[bold]signed by[/]", f"{escape(report.device_name)} {report.device_fingerprint}, "
                  f"{who[report.trusted]}; {report.signed_records} of {report.records} records"
                  + (f", {report.late_signed_records} of them at recovery" if report.late_signed_records else ""))
    if chain:
        table.add_row("[bold]device CA[/]", f"[green]trusted through {escape(chain.ca_name)}[/]" if chain.trusted else
                      f"[bold red]not trusted through {escape(chain.ca_name)}[/]: {escape(chain.problem)}")
    stamps = _timestamps(report, tsa_ca)
    for stamp in stamps:
        table.add_row(f"[bold]timestamp, {stamp.at}[/]", stamp.told)
    if not stamps:
        table.add_row("[bold]timestamps[/]", "no timestamps")
    table.add_row("[bold]keys[/]", "attached" if report.key_envelope else "not attached: in the device's keystore")
    table.add_row("[bold]privacy[/]", escape(report.statement))
    out.print(table)
    if report.state == "unsupported":
        assert report.first_problem is not None
        raise UnsupportedRecording(
            f"{file}: {report.first_problem.text}",
            meaning=f"The {report.fragments} fragments before it are intact", todo="use a newer scrubcam",
        )
    if report.state == "damaged" or (report.first_problem and report.trusted is False):
        assert report.first_problem is not None
        raise DamagedRecording(
            f"{file}: {report.first_problem.text}",
            meaning=f"The {report.fragments} fragments before it are intact",
            todo="take another copy of the file, or export what is whole with --partial",
        )
    if not report.complete:
        raise InterruptedRecording(
            f"{file} was never closed by its recorder ({report.state})",
            meaning=f"All {report.fragments} fragments in it are intact and can be exported",
            todo="nothing; note that the recording ended by a power cut or a crash",
        )
    refused = [stamp for stamp in stamps if stamp.problem]
    if refused:
        raise DamagedRecording(
            f"{file}: the timestamp of its {refused[0].at} is not by an authority of {tsa_ca}: {refused[0].problem}",
            meaning="The recording is intact; when it existed is not shown by that timestamp",
            todo="name the CA of the authority that the site uses, if it is another one",
        )
    out.print("[bold green]Intact, complete and signed.[/]")


def _chain(header: StoredHeader, ca: Path) -> ChainVerdict:
    from firmware.vault.device_ca import check_chain
    from firmware.vault.device_certificates import read_certificates

    device = header.device
    return check_chain(device.certificates, device.public_key, read_certificates(str(ca))[0], header.created_unix_s)


@dataclass(frozen=True)
class _Stamp:
    """One timestamp as it is told; `problem`: why it is not by one of the named authorities."""

    at: str
    told: str
    problem: str


def _timestamps(report: VerifyReport, tsa_ca: Path | None) -> list[_Stamp]:
    """That the imprint of each fits was checked with every other byte."""
    from firmware.vault.device_certificates import read_certificates
    from firmware.vault.timestamps import signature_problem, token_info

    authorities = read_certificates(str(tsa_ca)) if tsa_ca else []
    found = []
    for stamp in report.timestamps:
        told = token_info(stamp.token)
        problem = signature_problem(stamp.token, report.chain_values[stamp.at], authorities) if authorities else ""
        signed = "its signature not checked (--tsa-ca)"
        if authorities:
            signed = (f"[bold red]not by a trusted authority[/]: {escape(problem)}" if problem else
                      "[green]signed by a trusted authority[/]")
        text = f"{_utc(told.unix_s)} by {escape(told.authority)}, over record {stamp.record} and all before it"
        found.append(_Stamp(stamp.at, f"{text}, {signed}", problem))
    return found


def _utc(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_s))
