"""A digest on its way: files, commands, mail and webhooks, and each way to get lost."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gauntlet_harness.digest_send import render_digest, send
from gauntlet_harness.nightly_config import (
    CommandDelivery,
    FileDelivery,
    SmtpDelivery,
    WebhookDelivery,
)
from gauntlet_reports.digest import Digest, Item, Section

DIGEST = Digest(
    answer="1 changed: 1 regression.",
    sections=[Section("Regressions", [Item("fail: it broke", ("A/pipe",), 0, "gauntlet repro A")])],
    numbers=["1 case: 0 passed, 1 failed"],
    status=1,
)
TEXT = render_digest(DIGEST, "text")


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[Any]:
    """Serve on loopback until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Mailbox(socketserver.StreamRequestHandler):
    """As much of a mail server as it takes to be sent one message, or to refuse it."""

    refused = False
    got: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for raw in self.rfile:
            word = raw.split(None, 1)[0].upper().decode() if raw.strip() else ""
            if word == "DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.got.append(b"".join(lines).decode())
            if word == "RCPT" and self.refused:
                self.wfile.write(b"550 nobody of that name\r\n")
            else:
                self.wfile.write(b"221 bye\r\n" if word == "QUIT" else b"250 ok\r\n")
            if word == "QUIT":
                return


def smtp(port: int) -> SmtpDelivery:
    return SmtpDelivery(sender="night@here", recipients=["team@here"], host="127.0.0.1", port=port)


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_file_is_replaced_whole_in_the_form_asked_for(tmp_path: Path, form: Any) -> None:
    (tmp_path / "digest").write_text("of yesterday")
    assert send(DIGEST, FileDelivery(path="digest", form=form), tmp_path) is None
    assert (tmp_path / "digest").read_text() == render_digest(DIGEST, form)
    assert [path.name for path in tmp_path.iterdir()] == ["digest"]


def test_command_has_it_on_its_stdin_in_the_folder_of_the_configuration(tmp_path: Path) -> None:
    assert send(DIGEST, CommandDelivery(command=["tee", "got"]), tmp_path) is None
    assert (tmp_path / "got").read_text() == TEXT


def test_mail_has_the_answer_as_its_subject() -> None:
    handler = type("Here", (Mailbox,), {"got": []})
    with serving(socketserver.TCPServer(("127.0.0.1", 0), handler)) as server:
        assert send(DIGEST, smtp(server.server_address[1]), Path()) is None
    (mail,) = handler.got
    assert "Subject: Gauntlet: 1 changed: 1 regression.\r\n" in mail
    assert "To: team@here\r\n" in mail
    assert TEXT.replace("\n", "\r\n") in mail


def test_webhook_gets_one_json_object() -> None:
    got: list[tuple[str | None, bytes]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append((self.headers["Content-Type"], self.rfile.read(length)))
            self.send_response(204 if self.path == "/hook" else 410)
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002
            """Keep quiet."""

    with serving(HTTPServer(("127.0.0.1", 0), Hook)) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert send(DIGEST, WebhookDelivery(url=f"{url}/hook"), Path()) is None
        problem = send(DIGEST, WebhookDelivery(url=f"{url}/gone"), Path())
    (kind, body), _ = got
    assert (kind, json.loads(body)) == ("application/json", {"text": TEXT})
    assert problem == f"the digest did not get to {url}/gone: it answered 410 Gone"


@pytest.fixture
def closed_port() -> int:
    with socketserver.TCPServer(("127.0.0.1", 0), Mailbox) as server:
        return int(server.server_address[1])


def test_what_does_not_arrive_is_told_in_one_line(tmp_path: Path, closed_port: int) -> None:
    handler = type("Refusing", (Mailbox,), {"got": [], "refused": True})
    with serving(socketserver.TCPServer(("127.0.0.1", 0), handler)) as server:
        refused = send(DIGEST, smtp(server.server_address[1]), tmp_path)
    problems = [
        refused,
        send(DIGEST, FileDelivery(path="no/such/folder"), tmp_path),
        send(DIGEST, CommandDelivery(command=["/no/such/command"]), tmp_path),
        send(DIGEST, CommandDelivery(command=["sh", "-c", "echo no >&2; exit 3"]), tmp_path),
        send(DIGEST, smtp(closed_port), tmp_path),
        send(DIGEST, WebhookDelivery(url=f"http://127.0.0.1:{closed_port}/"), tmp_path),
    ]
    said = [
        "nobody of that name", "No such file", "No such file", "ended with status 3: no",
        "Connection refused", "Connection refused",
    ]  # fmt: skip
    for problem, words in zip(problems, said, strict=True):
        assert problem is not None
        assert problem.startswith("the digest did not get to ")
        assert words in problem
        assert "\n" not in problem
