"""Power cuts at every step of asking for timestamps and of giving them to a copy: none is lost, none comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.export.copy import add_timestamps, write_sealed_copy
from firmware.messages import TimestampWanted
from firmware.recorder.timestamp_desk import chain_values
from firmware.vault.attachments import Timestamp
from firmware.vault.reader import Recording
from firmware.vault.timestamp_store import TimestampStore
from hw.sim.files import SimFiles
from tests.crash_helpers import crash_everywhere, tree_of
from tests.timestamp_helpers import Signer
from tests.vault_helpers import fragment, keystore, seal


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("signer"))


def test_a_request_waits_until_its_token_is_on_the_disk_and_what_is_forgotten_stays_away(
    tmp_path: Path, signer: Signer
) -> None:
    wanted = TimestampWanted("abcdefgh", "end", 9, bytes(32))
    token = signer.token(wanted.chain)

    def ask_answer_forget(disk: SimFiles, folder: Path) -> None:
        store = TimestampStore(str(folder / "timestamps"))
        store.want(wanted)
        disk.say("wanted")
        store.answer("abcdefgh", "end", token)
        disk.say("answered")
        store.forget("abcdefgh")
        disk.say("forgotten")

    def check(folder: Path, said: list[object]) -> None:
        store = TimestampStore(str(folder / "timestamps"))
        waiting, kept = store.waiting(9), store.of("abcdefgh")
        assert waiting in ([], [wanted])
        assert kept in ([], [Timestamp("end", 9, token)])
        if said == ["wanted"]:
            assert waiting or kept
        elif said == ["wanted", "answered"]:
            assert not waiting  # it may be forgotten already
        elif said:
            assert not waiting
            assert not kept

    crash_everywhere("timestamp: ask, answer, forget", tmp_path, ask_answer_forget, check)


def test_a_copy_that_gets_its_timestamps_later_is_the_old_or_the_new_one_whole(tmp_path: Path, signer: Signer) -> None:
    made = tmp_path / "made"
    made.mkdir()
    path = seal(str(made), [fragment(0)])
    stamps = [Timestamp(one.at, one.record, signer.token(one.chain)) for one in chain_values(path, ["start", "end"])]
    write_sealed_copy(path, keystore(made), [], str(made / "copy.scrub"))

    def add(disk: SimFiles, folder: Path) -> None:
        add_timestamps(str(folder / "copy.scrub"), keystore(folder), stamps)
        disk.say("added")

    def check(folder: Path, said: list[object]) -> None:
        with Recording.open(str(folder / "copy.scrub")) as copy:
            report = copy.verify()
        assert report.ok
        assert report.key_envelope
        assert report.timestamps in ([stamps] if said else [[], stamps])

    crash_everywhere("timestamps into a copy", tmp_path, add, check, start=tree_of(made))
