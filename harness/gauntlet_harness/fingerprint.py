"""Which system a run was on: everything that could explain why it went differently elsewhere."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
from pathlib import Path
from typing import Any

import gauntlet_harness
from gauntlet_harness.components import component_versions
from gauntlet_harness.programs import said

Facts = dict[str, Any]

_PROC_LIMITS = {
    "kernel.msgmax": "kernel/msgmax",
    "kernel.msgmnb": "kernel/msgmnb",
    "kernel.msgmni": "kernel/msgmni",
    "kernel.sem": "kernel/sem",
    "kernel.shmmax": "kernel/shmmax",
    "kernel.shmall": "kernel/shmall",
    "kernel.shmmni": "kernel/shmmni",
    "fs.mqueue.msg_default": "fs/mqueue/msg_default",
    "fs.mqueue.msg_max": "fs/mqueue/msg_max",
    "fs.mqueue.msgsize_max": "fs/mqueue/msgsize_max",
    "fs.mqueue.queues_max": "fs/mqueue/queues_max",
    "fs.pipe-max-size": "fs/pipe-max-size",
    "fs.pipe-user-pages-soft": "fs/pipe-user-pages-soft",
    "fs.pipe-user-pages-hard": "fs/pipe-user-pages-hard",
    "fs.file-max": "fs/file-max",
    "kernel.pid_max": "kernel/pid_max",
    "kernel.threads-max": "kernel/threads-max",
    "net.unix.max_dgram_qlen": "net/unix/max_dgram_qlen",
    "net.core.rmem_default": "net/core/rmem_default",
    "net.core.wmem_default": "net/core/wmem_default",
    "net.core.wmem_max": "net/core/wmem_max",
    "net.core.somaxconn": "net/core/somaxconn",
    "vm.overcommit_memory": "vm/overcommit_memory",
}
_RLIMITS = {
    name: getattr(resource, f"RLIMIT_{name}")
    for name in (
        "AS",
        "CORE",
        "CPU",
        "FSIZE",
        "MEMLOCK",
        "MSGQUEUE",
        "NOFILE",
        "NPROC",
        "STACK",
        "SIGPENDING",
        "RTPRIO",
    )
    if hasattr(resource, f"RLIMIT_{name}")
}


def fingerprint() -> Facts:
    """Return the facts about this system: nested maps of strings and numbers."""
    return {
        "kernel": _kernel(),
        "distro": distro(),
        "libc": _libc(),
        "compiler": compilers(),
        "components": component_versions(),
        "cpu": _cpu(),
        "memory": _memory(),
        "container": _container(),
        "security": _security(),
        "limits": limits(),
        "ipc": ipc_limits(),
        "clocksource": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "load": load(),
        "user": _user(),
    }


def versions(root: Path) -> dict[str, str]:
    """Return what the run was made with: harness, checkout and Python."""
    revision = said(["git", "-C", str(root), "rev-parse", "HEAD"])
    if revision and said(["git", "-C", str(root), "status", "--porcelain", "-uno"]):
        revision += "-dirty"
    return {
        "harness": gauntlet_harness.__version__,
        "revision": revision or "unknown",
        "python": platform.python_version(),
    }


def _kernel() -> Facts:
    name = os.uname()
    return {
        "name": name.sysname,
        "release": name.release,
        "version": name.version,
        "machine": name.machine,
    }


def distro() -> str:
    """Return the name that the distribution gives itself."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "unknown"
    return release.get("PRETTY_NAME", release.get("NAME", "unknown"))


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        return " ".join(platform.libc_ver()).strip() or "unknown"


def compilers() -> dict[str, str]:
    """Return the first line of each compiler's --version."""
    found = {}
    for name in ("g++", "clang++"):
        if shutil.which(name):
            found[name] = said([name, "--version"]).partition("\n")[0]
    return found


def _cpu() -> Facts:
    text = _read("/proc/cpuinfo")
    model = re.search(r"^(?:model name|Processor|cpu model)\s*:\s*(.*)$", text, re.MULTILINE)
    return {
        "model": model[1] if model else platform.processor() or "unknown",
        "cpus": os.cpu_count() or 0,
        "usable": len(os.sched_getaffinity(0)),
        "quota": _read("/sys/fs/cgroup/cpu.max") or "none seen",
    }


def _memory() -> Facts:
    facts: Facts = {}
    for name, key in (("MemTotal", "total_mib"), ("SwapTotal", "swap_mib")):
        match = re.search(rf"^{name}:\s+(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
        facts[key] = int(match[1]) // 1024 if match else 0
    facts["page_bytes"] = resource.getpagesize()
    return facts


def _container() -> Facts:
    """Return hints only: a container may hide that it is one."""
    facts: Facts = {
        "virtualization": said(["systemd-detect-virt"]) or _guess_virtualization(),
        "product": _read("/sys/class/dmi/id/product_name"),
    }
    marks = [name for name in ("/.dockerenv", "/run/.containerenv") if Path(name).exists()]
    if marks:
        facts["marks"] = " ".join(marks)
    facts["cgroup"] = _read("/proc/self/cgroup").replace("\n", " ")[:200]
    return {name: value for name, value in facts.items() if value}


def _guess_virtualization() -> str:
    return (
        "vm" if re.search(r"^flags.*\bhypervisor\b", _read("/proc/cpuinfo"), re.M) else "none seen"
    )


def _security() -> Facts:
    status = dict(re.findall(r"^(\w+):\s+(.*)$", _read("/proc/self/status"), re.MULTILINE))
    return {
        "lsm": _read("/sys/kernel/security/lsm") or "not readable",
        "label": _read("/proc/self/attr/current").rstrip("\0") or "none",
        "seccomp": {"0": "none", "1": "strict", "2": "filter"}.get(status.get("Seccomp", ""), "?"),
        "no_new_privileges": status.get("NoNewPrivs", "?"),
        "capabilities": status.get("CapEff", "?"),
        "ptrace_scope": _read("/proc/sys/kernel/yama/ptrace_scope") or "no yama",
        "user_namespaces": _read("/proc/sys/user/max_user_namespaces") or "none",
        "unprivileged_userns_clone": _read("/proc/sys/kernel/unprivileged_userns_clone")
        or "no knob",
    }


def limits() -> dict[str, str]:
    """Return the resource limits as ``soft/hard``."""
    found = {}
    for name, number in _RLIMITS.items():
        pair = resource.getrlimit(number)
        words = ["unlimited" if v == resource.RLIM_INFINITY else str(v) for v in pair]
        found[name] = words[0] if words[0] == words[1] else "/".join(words)
    return found


def ipc_limits() -> dict[str, str]:
    """Return the IPC limits under /proc/sys; what this kernel has not got is left out."""
    values = {name: _read(f"/proc/sys/{path}") for name, path in _PROC_LIMITS.items()}
    return {name: " ".join(value.split()) for name, value in values.items() if value}


def load() -> str:
    """Return the three load averages."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _user() -> str:
    return f"uid {os.geteuid()}" + (" (root)" if os.geteuid() == 0 else "")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
