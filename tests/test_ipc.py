"""The channel between processes: whole messages in order, named ends, bounded waits."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.ipc import MAX_MESSAGE_BYTES, Channel, ChannelClosed
from firmware.messages import Fragment, FromPipeline, Pause, Stop, ToPipeline, Verdict

Pair = tuple[Channel[FromPipeline, ToPipeline], Channel[ToPipeline, FromPipeline]]


def channel_pair() -> Pair:
    a, b = socket.socketpair()
    return Channel(a, FromPipeline, ToPipeline), Channel(b, ToPipeline, FromPipeline)


verdicts = st.builds(
    Verdict,
    pts_ns=st.integers(0, 2**62),
    kind=st.sampled_from(["clean", "masked", "blanked"]),
    regions=st.integers(0, 64),
    reason=st.sampled_from(["", "no-evidence-after", "privacy-pause"]),
)
fragments = st.builds(
    Fragment,
    seq=st.integers(0, 2**31),
    pts_ns=st.integers(0, 2**62),
    duration_ns=st.integers(0, 10**9),
    keyframe=st.booleans(),
    data=st.binary(max_size=5000),
    verdicts=st.lists(verdicts, max_size=20),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(fragments, max_size=8))
def test_what_is_sent_arrives_whole_and_in_order(sent: list[Fragment]) -> None:
    pipeline, recorder = channel_pair()
    try:
        for fragment in sent:
            pipeline.send(fragment)
        assert [recorder.recv(2.0) for _ in sent] == sent
        assert recorder.recv(0.0) is None
    finally:
        pipeline.close()
        recorder.close()


def test_a_message_larger_than_the_socket_buffer_crosses() -> None:
    pipeline, recorder = channel_pair()
    big = Fragment(0, 0, 0, True, bytes(20_000_000), [])
    sender = threading.Thread(target=pipeline.send, args=(big,))
    sender.start()
    assert recorder.recv(20.0) == big
    sender.join()
    pipeline.close()
    recorder.close()


def test_the_other_side_leaving_is_an_end_not_a_silence() -> None:
    pipeline, recorder = channel_pair()
    recorder.send(Pause(on=True))
    recorder.close()
    assert pipeline.recv(1.0) == Pause(on=True)
    with pytest.raises(ChannelClosed):
        pipeline.recv(1.0)
    with pytest.raises(ChannelClosed):
        pipeline.send(Fragment(0, 0, 0, True, b"", []))
    pipeline.close()


def test_a_reader_that_never_reads_is_given_up_after_the_deadline() -> None:
    pipeline, recorder = channel_pair()
    with pytest.raises(ChannelClosed, match="read nothing"):
        pipeline.send(Fragment(0, 0, 0, True, bytes(30_000_000), []), timeout_s=0.2)
    pipeline.close()
    recorder.close()


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">I", MAX_MESSAGE_BYTES + 1),
        struct.pack(">I", 3) + b"\xc1\xc1\xc1",
        struct.pack(">I", 9) + b"\x81\xa4type\xa3Foo",
    ],
    ids=["longer than the bound", "not MessagePack", "a type this side does not know"],
)
def test_rubbish_closes_the_channel_by_name(raw: bytes) -> None:
    ours, theirs = socket.socketpair()
    channel: Channel[ToPipeline, FromPipeline] = Channel(ours, ToPipeline, FromPipeline)
    theirs.sendall(raw)
    with pytest.raises(ChannelClosed):
        channel.recv(1.0)
    channel.send(Stop())  # the channel object itself is still whole: closing is the owner's word
    channel.close()
    theirs.close()
