"""Which versions of the components that subjects are adapters of this system has."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from gauntlet_harness.programs import said

# What each says of itself first; servers are often where only root looks.
_PROGRAMS = {
    "dbus": ("dbus-daemon", "--version"),
    "mosquitto": ("mosquitto", "-h"),
    "mpich": ("mpichversion",),
    "redis": ("redis-server", "--version"),
}
COMPONENTS = tuple(sorted([*_PROGRAMS, "boost", "nng", "zeromq"]))
"""Every name that ``component_versions`` may know a version of."""
_SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))
_BOOST_HEADER = Path("/usr/include/boost/version.hpp")
# A library tells its version when it is called; in a process of its own it can do no harm.
_ASK_LIBRARIES = """
import ctypes
try:
    numbers = [ctypes.c_int() for _ in range(3)]
    ctypes.CDLL("libzmq.so.5").zmq_version(*map(ctypes.byref, numbers))
    print("zeromq", ".".join(str(number.value) for number in numbers))
except (OSError, AttributeError):
    pass
try:
    ask = ctypes.CDLL("libnng.so.1").nng_version
    ask.restype = ctypes.c_char_p
    print("nng", ask().decode())
except (OSError, AttributeError):
    pass
"""
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def component_versions() -> dict[str, str]:
    """Return the version of each component that is there, by its name as a condition has it."""
    found = {}
    for name, (program, *options) in _PROGRAMS.items():
        if path := shutil.which(program, path=_SEARCHED):
            found[name] = first_version(said([path, *options], errors_too=True))
    for line in said([sys.executable, "-I", "-c", _ASK_LIBRARIES]).splitlines():
        name, _, version = line.partition(" ")
        found[name] = version
    found["boost"] = _boost()
    return {name: version for name, version in sorted(found.items()) if version}


def first_version(text: str) -> str:
    """Return the first version number in what a program says, ``""`` for none."""
    match = _VERSION.search(text)
    return match[0] if match else ""


def _boost() -> str:
    try:
        text = _BOOST_HEADER.read_text(errors="replace")
    except OSError:
        return ""
    match = re.search(r'#define BOOST_LIB_VERSION "([\d_]+)"', text)
    return match[1].replace("_", ".") if match else ""
