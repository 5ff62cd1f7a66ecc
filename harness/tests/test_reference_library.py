"""The reference core from another language: libgauntlet_reference.so through ctypes."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LIBRARY = CHECKOUT / "build/release/fixtures/reference/c_api/libgauntlet_reference.so"
EXAMPLE = CHECKOUT / "fixtures/reference/examples/producer_consumer.py"
PATIENCE_S = 60.0
GENEROUS_NS = 20_000_000_000

OK, WOULD_BLOCK, TIMED_OUT, CLOSED, TOO_LARGE = 0, 1, 2, 3, 4
NOT_FOUND, DIFFERENT_KIND, INVALID = 9, 18, 21
SETTER, WAITER = 0, 1
BROKEN = 3


class ChannelOptions(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint32) for name in ("size", "capacity", "largest_message", "participants")
    ]


class PromiseOptions(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("size", "participants")]


class Failure(ctypes.Structure):
    _fields_ = [
        ("status", ctypes.c_int),
        ("system_errno", ctypes.c_int32),
        ("text", ctypes.c_char * 248),
    ]


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    if not LIBRARY.exists():
        pytest.skip(f"{LIBRARY.name} is not built (ninja -C build/release gauntlet_reference_c)")
    library = ctypes.CDLL(str(LIBRARY))
    library.gref_channel_send.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_int64,
    ]
    library.gref_channel_receive.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.c_int64,
    ]
    library.gref_promise_wait.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_int),
        ctypes.POINTER(ctypes.c_uint64),
        ctypes.c_int64,
    ]
    library.gref_status_name.restype = ctypes.c_char_p
    library.gref_status_text.restype = ctypes.c_char_p
    return library


@pytest.fixture
def name(library: ctypes.CDLL) -> Iterator[str]:
    name = f"/gauntlet-ctypes-{os.getpid()}"
    yield name
    library.gref_remove(name.encode(), None)


@pytest.fixture
def channel(library: ctypes.CDLL, name: str) -> Iterator[ctypes.c_void_p]:
    options = ChannelOptions(ctypes.sizeof(ChannelOptions), 2, 8, 4)
    handle, failure = ctypes.c_void_p(), Failure()
    status = library.gref_channel_create(
        name.encode(), ctypes.byref(options), ctypes.byref(handle), ctypes.byref(failure)
    )
    assert status == OK, failure.text
    yield handle
    library.gref_channel_detach(handle)


def receive(
    library: ctypes.CDLL, channel: ctypes.c_void_p, timeout_ns: int, room: int = 8
) -> tuple[int, bytes]:
    buffer, size = ctypes.create_string_buffer(8), ctypes.c_size_t()
    status = library.gref_channel_receive(channel, buffer, room, ctypes.byref(size), timeout_ns)
    return status, buffer.raw[: size.value] if status == OK else b""


def test_messages_pass_and_statuses_tell(library: ctypes.CDLL, channel: ctypes.c_void_p) -> None:
    assert receive(library, channel, 0) == (WOULD_BLOCK, b"")
    assert receive(library, channel, 1_000_000) == (TIMED_OUT, b"")
    assert library.gref_channel_send(channel, b"a\0b", 3, 0) == OK
    assert library.gref_channel_send(channel, b"", 0, 0) == OK
    assert library.gref_channel_send(channel, b"full", 4, 0) == WOULD_BLOCK
    assert library.gref_channel_send(channel, b"too large", 9, 0) == TOO_LARGE
    assert library.gref_channel_close(channel) == OK
    assert receive(library, channel, 0, room=2) == (TOO_LARGE, b"")
    assert receive(library, channel, -1) == (OK, b"a\0b")
    assert receive(library, channel, -1) == (OK, b"")
    assert receive(library, channel, -1) == (CLOSED, b"")


def test_failures_are_told_with_errno_and_words(library: ctypes.CDLL, name: str) -> None:
    handle, failure = ctypes.c_void_p(), Failure()
    attach = library.gref_channel_attach
    assert attach(name.encode(), ctypes.byref(handle), ctypes.byref(failure)) == NOT_FOUND
    assert (failure.status, failure.system_errno) == (NOT_FOUND, errno.ENOENT)
    assert os.strerror(errno.ENOENT) in failure.text.decode()
    assert handle.value is None
    assert attach(b"no slash", ctypes.byref(handle), ctypes.byref(failure)) == INVALID
    assert library.gref_status_name(INVALID) == b"invalid"
    assert b"argument" in library.gref_status_text(INVALID)


def test_two_processes_of_python_talk(library: ctypes.CDLL) -> None:
    talk = subprocess.run(
        [sys.executable, str(EXAMPLE), str(LIBRARY)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    orders = [f"received: order {order}" for order in (1, 2, 3)]
    assert talk.stdout.splitlines() == [*orders, "closed"]


# The child shows that it is a setter by its exit status, and then dies without a farewell.
SETTER_THAT_DIES = """
import ctypes, os, signal, sys
library, handle = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
status = library.gref_promise_attach(sys.argv[2].encode(), 0, ctypes.byref(handle), None)
if status == 0:
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(status)
"""


def test_promise_of_a_killed_process_is_broken(library: ctypes.CDLL, name: str) -> None:
    options, handle = PromiseOptions(ctypes.sizeof(PromiseOptions), 4), ctypes.c_void_p()
    status = library.gref_promise_create(
        name.encode(), ctypes.byref(options), WAITER, ctypes.byref(handle), None
    )
    assert status == OK
    assert library.gref_channel_attach(name.encode(), None, None) == INVALID
    other = ctypes.c_void_p()
    assert library.gref_channel_attach(name.encode(), ctypes.byref(other), None) == DIFFERENT_KIND
    setter = subprocess.run(
        [sys.executable, "-c", SETTER_THAT_DIES, str(LIBRARY), name], timeout=PATIENCE_S
    )
    assert setter.returncode < 0
    fate, content = ctypes.c_int(), ctypes.c_uint64()
    waited = library.gref_promise_wait(
        handle, ctypes.byref(fate), ctypes.byref(content), GENEROUS_NS
    )
    assert (waited, fate.value, content.value) == (OK, BROKEN, 0)
    library.gref_promise_detach(handle)
