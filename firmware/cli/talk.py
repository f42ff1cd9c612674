"""How a command talks to the running recorder: connect, log in, ask, wait for the answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from firmware.config import Config
from firmware.errors import ConfigError, Refused, ScrubcamError
from firmware.ipc import Channel, ChannelClosed
from firmware.messages import (
    AboutRoles,
    Answer,
    FromRecorder,
    Login,
    LoginName,
    LogLine,
    LogPage,
    ReadLog,
    StateReport,
    ToRecorder,
)
from firmware.recorder_socket import SOCKET_NAME, connect_to_recorder

Message = TypeVar("Message", Answer, StateReport)
ToTheRecorder = Channel[ToRecorder, FromRecorder]
ANSWER_TIMEOUT_S = 15.0

LoginOption = Annotated[str, typer.Option("--as", help="Log in under this name first; asks for the passphrase.")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="Read the passphrase of --as from this file.")
]


def connect(settings: Config) -> ToTheRecorder:
    """A channel to the running recorder. Raises ScrubcamError when none runs."""
    run_dir = Path(settings.paths.run_dir)
    try:
        return connect_to_recorder(run_dir)
    except OSError:
        raise away(run_dir / SOCKET_NAME) from None


def log_in(channel: ToTheRecorder, name: str, passphrase_file: Path | None) -> None:
    """Give the connection the role of a login. Raises Refused, ConfigError, ChannelClosed."""
    passphrase = read_passphrase(passphrase_file, f"Passphrase of {checked_name(name)}")
    request(channel, Login(uuid.uuid4().hex, name, passphrase))


def checked_name(name: str) -> str:
    """`name`, if it can be a login's. Raises ConfigError."""
    try:
        return msgspec.convert(name, LoginName)
    except msgspec.ValidationError:
        raise ConfigError(f"{name!r} is no name for a login", meaning="Nothing was asked",
                          todo="use small letters, digits, '.', '_' and '-', at most 32") from None


def request(channel: ToTheRecorder, message: AboutRoles) -> Answer:
    """Ask and wait. Raises Refused when the recorder says no, ChannelClosed."""
    channel.send(message)
    answer = wait_for(channel, Answer)
    if not answer.ok:
        raise Refused(answer.reason or answer.state, meaning="Nothing was changed")
    return answer


def request_as(settings: Config, message: AboutRoles, login: str, passphrase_file: Path | None) -> None:
    """Connect, log in where a name is given, ask, wait. Raises Refused, ScrubcamError when none runs or it is lost."""
    channel = connect(settings)
    try:
        if login:
            log_in(channel, login, passphrase_file)
        request(channel, message)
    except ChannelClosed:
        raise lost() from None
    finally:
        channel.close()


def log_pages(channel: ToTheRecorder) -> Iterator[list[LogLine]]:
    """The whole audit log, page by page. Raises Refused, ScrubcamError after a deadline, ChannelClosed."""
    seq = -(2**62)
    while True:
        channel.send(ReadLog(uuid.uuid4().hex, seq))
        page = channel.recv(ANSWER_TIMEOUT_S)  # nothing else comes on a connection that has not subscribed
        if isinstance(page, Answer):
            raise Refused(page.reason or page.state, todo="log in with --as under a name that may")
        if not isinstance(page, LogPage):
            raise _no_answer()
        if not page.lines:
            return
        yield page.lines
        seq = page.lines[-1].seq


def read_passphrase(file: Path | None, prompt: str, *, twice: bool = False) -> str:
    """From the first line of a file, or asked for. Raises ConfigError."""
    if file is None:
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=twice))
    try:
        return (file.read_text(encoding="utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the passphrase file {file} cannot be read ({error})") from error


def wait_for(channel: ToTheRecorder, wanted: type[Message]) -> Message:
    """The next message of a kind. Raises ScrubcamError after a deadline, ChannelClosed."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while (left := deadline - time.monotonic()) > 0:
        message = channel.recv(left)
        if isinstance(message, wanted):
            return message
    raise _no_answer()


def _no_answer() -> ScrubcamError:
    return ScrubcamError("The recorder gave no answer", meaning="What was asked may or may not have happened",
                         todo="look at its light, or ask for the status")  # fmt: skip


def away(where: Path) -> ScrubcamError:
    return ScrubcamError(f"No device is running with {where}", todo="start it: scrubcam run --config scrubcam.toml")


def lost() -> ScrubcamError:
    return ScrubcamError("The recorder closed the connection",
                         meaning="What was asked may or may not have happened",
                         todo="look at its light, or ask for the status")  # fmt: skip
