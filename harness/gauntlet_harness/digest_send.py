"""Brings a digest to where it is read: a file, a command, a mail server or a webhook."""

from __future__ import annotations

import json
import smtplib
import subprocess
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path

from gauntlet_harness.nightly_config import (
    CommandDelivery,
    Delivery,
    FileDelivery,
    Form,
    SmtpDelivery,
    WebhookDelivery,
)
from gauntlet_reports.digest import Digest
from gauntlet_reports.digest_forms import render_digest_markdown, render_digest_text
from gauntlet_reports.write import write_whole

# A reader who does not answer must not keep the next night from beginning.
_PATIENCE_S = 60.0


def render_digest(digest: Digest, form: Form) -> str:
    """Return the digest in one of its forms."""
    return render_digest_text(digest) if form == "text" else render_digest_markdown(digest)


def send(digest: Digest, delivery: Delivery, base: Path) -> str | None:
    """Deliver a digest; return what went wrong in one line, or None.

    ``base`` is the folder that a relative path of a file begins at.
    """
    text = render_digest(digest, delivery.form)
    try:
        if isinstance(delivery, FileDelivery):
            where = delivery.path
            write_whole(base / delivery.path, text)
        elif isinstance(delivery, CommandDelivery):
            where = delivery.command[0]
            _hand_over(delivery, text, base)
        elif isinstance(delivery, SmtpDelivery):
            where = f"{delivery.host}:{delivery.port}"
            _mail(delivery, digest.answer, text)
        else:
            where = delivery.url
            _post(delivery, text)
    except (OSError, ValueError, smtplib.SMTPException, subprocess.SubprocessError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        return f"the digest did not get to {where}: {why}"
    return None


def _hand_over(delivery: CommandDelivery, text: str, base: Path) -> None:
    done = subprocess.run(
        delivery.command,
        input=text,
        text=True,
        cwd=base,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-200:]
        raise ValueError(f"it ended with status {done.returncode}{f': {said}' if said else ''}")


def _mail(delivery: SmtpDelivery, answer: str, text: str) -> None:
    message = EmailMessage()
    message["Subject"] = f"Gauntlet: {answer}"
    message["From"] = delivery.sender
    message["To"] = ", ".join(delivery.recipients)
    message.set_content(text)
    with smtplib.SMTP(delivery.host, delivery.port, timeout=_PATIENCE_S) as server:
        server.send_message(message)


def _post(delivery: WebhookDelivery, text: str) -> None:
    request = urllib.request.Request(  # The configuration allows http(s) only.
        delivery.url,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S):
            pass
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(f"it answered {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise ValueError(str(error.reason)) from None
