"""``doctor``: what this machine has, what it lacks, and how to get that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gauntlet_harness import fingerprint
from gauntlet_harness.errors import GauntletError
from gauntlet_harness.suite import find_suites

Status = Literal["ok", "lacks", "limited", "told"]
_LOOKS: dict[Status, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "lacks": ("lacks", "bold red"),
    "limited": ("limited", "yellow"),
    "told": ("-", "cyan"),
}
_PYTHON_NEEDS = ("click", "jinja2", "msgspec", "rich", "pytest", "pytest-xdist")
_ENOUGH_DISK_MIB = 2048
_ENOUGH_FILES = 1024


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis. ``lacks`` alone stops a run; ``limited`` makes cases not_run."""

    topic: str
    status: Status
    text: str
    remedy: str = ""


def examine(root: Path, preset: str) -> list[Finding]:
    """Look at everything; no look may fail the whole."""
    looks: Sequence[Callable[[], list[Finding]]] = (
        _system,
        lambda: _packages(root),
        _python,
        lambda: _build(root, preset),
        lambda: _capabilities(root, preset),
        _ptrace,
        _names,
        _limits,
        lambda: _capacity(root),
    )
    return [finding for look in looks for finding in look()]


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print the findings as a table, or as lines where stdout is no terminal."""
    if not console.is_terminal:
        for finding in findings:
            word = _LOOKS[finding.status][0]
            remedy = f" -> {finding.remedy}" if finding.remedy else ""
            print(f"{word:<8}{finding.topic}: {finding.text}{remedy}")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "what", "seen here", "how to get it"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        word, style = _LOOKS[finding.status]
        row = (finding.topic, finding.text, finding.remedy)
        table.add_row(Text(word, style=style), *(Text(cell) for cell in row))
    console.print(table)


def _system() -> list[Finding]:
    name = os.uname()
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else "?"
    text = f"{name.sysname} {name.release} {name.machine}, {libc}, {fingerprint.distro()}"
    return [Finding("system", "told", text)]


def _packages(root: Path) -> list[Finding]:
    """Ask the launcher's own check, so that there is one list and one way to probe it."""
    needed, components = _missing(root, "build"), _missing(root, "component")
    if isinstance(needed, Finding):
        return [needed]
    findings = [Finding("packages", "ok", "everything the build needs is installed")]
    if needed:
        remedy = f"harness/gauntlet list installs them, as does apt-get install {' '.join(needed)}"
        findings = [Finding("packages", "lacks", ", ".join(needed), remedy)]
    if isinstance(components, Finding):
        return [*findings, components]
    if components:
        text = f"{', '.join(components)}: the cases of their subjects will be not_run"
        remedy = f"apt-get install {' '.join(components)}"
        return [*findings, Finding("components", "limited", text, remedy)]
    return [*findings, Finding("components", "ok", "all brokers and libraries are installed")]


def _missing(root: Path, stage: str) -> list[str] | Finding:
    """Return the names of the stage's missing packages, or why they could not be looked for."""
    script = root / "harness" / "setup" / "packages.sh"
    try:
        done = subprocess.run(
            ["sh", str(script), "missing", stage],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("packages", "limited", f"could not be checked: {error}")
    if done.returncode != 0:
        return Finding("packages", "limited", f"could not be checked: {done.stderr.strip()}")
    return done.stdout.split()


def _python() -> list[Finding]:
    found, missing = [f"Python {sys.version.split()[0]}"], []
    for name in _PYTHON_NEEDS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return [Finding("python", "lacks", ", ".join(missing), "harness/gauntlet sets up .venv")]
    return [Finding("python", "ok", ", ".join(found))]


def _build(root: Path, preset: str) -> list[Finding]:
    try:
        suites = find_suites(root, preset, [])
    except GauntletError as error:
        remedy = "harness/gauntlet list builds it"
        return [Finding("suites", "limited", str(error), remedy)]
    missing = [str(suite.path) for suite in suites if not suite.path.exists()]
    if missing:
        return [
            Finding(
                "suites", "limited", f"not built: {', '.join(missing)}", "harness/gauntlet list"
            )
        ]
    return [Finding("suites", "ok", ", ".join(str(suite.path) for suite in suites))]


def _capabilities(root: Path, preset: str) -> list[Finding]:
    """Return what the suite itself says that a case can keep private here."""
    try:
        answers = [suite.capabilities() for suite in find_suites(root, preset, [])[:1]]
    except GauntletError:
        return [_user_namespaces()]
    return [finding for answer in answers for finding in _from_suite(answer)]


def _from_suite(answer: dict[str, Any]) -> list[Finding]:
    """Return a line for each thing that is private, is not, or is merely told."""
    findings = []
    for name, value in answer.items():
        if name == "private" and isinstance(value, list):
            findings += [Finding(f"private {word}", "ok", "yes") for word in value]
        elif name == "shared" and isinstance(value, list):
            findings += [_shared(entry) for entry in value if isinstance(entry, dict)]
        elif name == "ptrace":
            can = value == "yes"
            remedy = "" if can else "allow ptrace(2): no seccomp filter, kernel.yama.ptrace_scope=1"
            findings.append(Finding("tracing", "ok" if can else "limited", str(value), remedy))
        else:
            findings.append(Finding(name, "told", str(value)))
    return findings


def _shared(entry: dict[str, Any]) -> Finding:
    what, why = str(entry.get("what", "?")), str(entry.get("why", ""))
    if what == "user" and os.geteuid() == 0:
        return Finding("private user", "told", why or "root needs none")
    remedy = "run as root, or allow user namespaces (sysctl user.max_user_namespaces)"
    return Finding(f"private {what}", "limited", why or "no", remedy)


def _user_namespaces() -> Finding:
    try:
        most = int(Path("/proc/sys/user/max_user_namespaces").read_text())
    except (OSError, ValueError):
        most = 0
    if os.geteuid() == 0:
        return Finding("namespaces", "ok", "root may make them")
    if most == 0:
        return Finding(
            "namespaces",
            "limited",
            "user namespaces are switched off",
            "run as root, or sysctl user.max_user_namespaces=15000",
        )
    return Finding("namespaces", "ok", f"up to {most} user namespaces")


def _ptrace() -> list[Finding]:
    try:
        scope = int(Path("/proc/sys/kernel/yama/ptrace_scope").read_text())
    except (OSError, ValueError):
        return [Finding("ptrace", "ok", "not restricted by yama")]
    if scope >= 3 or (scope == 2 and os.geteuid() != 0):
        remedy = "sysctl kernel.yama.ptrace_scope=1 (level 3 needs a reboot)"
        return [Finding("ptrace", "limited", f"ptrace_scope is {scope}", remedy)]
    return [Finding("ptrace", "ok", f"ptrace_scope is {scope}: parents may trace children")]


def _names() -> list[Finding]:
    findings = []
    for topic, path, remedy in (
        ("/dev/shm", "/dev/shm", "mount -t tmpfs shm /dev/shm"),
        ("/dev/mqueue", "/dev/mqueue", "mount -t mqueue mqueue /dev/mqueue"),
    ):
        if os.path.ismount(path) and os.access(path, os.W_OK):
            findings.append(Finding(topic, "ok", "mounted, writable"))
        else:
            text = "not mounted: leftovers there cannot be seen outside private namespaces"
            findings.append(Finding(topic, "limited", text, remedy))
    tools = [name for name in ("eu-stack", "gdb") if shutil.which(name)]
    if "eu-stack" not in tools:
        findings.append(Finding("stacks", "limited", "no eu-stack", "apt-get install elfutils"))
    else:
        findings.append(Finding("stacks", "ok", f"there are {', '.join(tools)}"))
    return findings


def _limits() -> list[Finding]:
    limits = fingerprint.limits()
    files = re.match(r"\d+", limits.get("NOFILE", ""))
    text = ", ".join(f"{name} {value}" for name, value in limits.items())
    small = files is not None and int(files[0]) < _ENOUGH_FILES
    remedy = f"ulimit -n {_ENOUGH_FILES}" if small else ""
    return [
        Finding("limits", "limited" if small else "ok", text, remedy),
        Finding("ipc limits", "told", ", ".join(map(" ".join, fingerprint.ipc_limits().items()))),
    ]


def _capacity(root: Path) -> list[Finding]:
    cpus = len(os.sched_getaffinity(0))
    free_mib = shutil.disk_usage(root).free >> 20
    load = os.getloadavg()[0]
    busy = load > 2 * cpus
    return [
        Finding(
            "cores",
            "ok" if cpus > 1 else "limited",
            f"{cpus} usable",
            "" if cpus > 1 else "races need at least two; fewer interleavings are seen here",
        ),
        Finding(
            "load",
            "limited" if busy else "ok",
            fingerprint.load(),
            "a run gets slower and sees other interleavings" if busy else "",
        ),
        Finding(
            "disk",
            "ok" if free_mib > _ENOUGH_DISK_MIB else "limited",
            f"{free_mib} MiB free",
            "" if free_mib > _ENOUGH_DISK_MIB else "the build wants about 2 GiB",
        ),
    ]
