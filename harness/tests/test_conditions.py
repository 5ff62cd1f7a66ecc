"""Conditions on a system: names, bounds of versions, components, and words that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from gauntlet_harness.components import COMPONENTS, component_versions, first_version
from gauntlet_harness.conditions import Condition, ConditionError, system_of

FINGERPRINT = {
    "kernel": {"name": "Linux", "release": "6.18.44-amd64", "machine": "x86_64"},
    "libc": "glibc 2.36",
    "distro": "Debian GNU/Linux 12 (bookworm)",
    "compiler": {"g++": "g++ (Debian 12.2.0-14+deb12u1) 12.2.0"},
    "components": {"redis": "7.0.15", "nng": "1.5.2"},
}


def holds(when: dict[str, Any], target_kind: str = "local") -> bool:
    return Condition(when).holds(system_of(FINGERPRINT, target_kind))


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"kernel": ">=6.1,<6.19"},
        {"kernel": "6.18"},
        {"kernel": "linux 6.18.44"},
        {"kernel": "<=6.18"},
        {"kernel": ">6.9"},
        {"kernel": ">=6.18.44.0"},
        {"kernel": "!=6.17"},
        {"libc": "glibc"},
        {"libc": ["musl >=1.2", "glibc >=2.30, <2.40"]},
        {"compiler": "g++ 12.2"},
        {"architecture": "x86_*"},
        {"distribution": "Debian *"},
        {"component": {"redis": "<8", "nng": "*"}},
        {"component.redis": "7"},
        {"target_kind": "local", "libc": "glibc", "kernel": "Linux >=6"},
    ],
    ids=str,
)
def test_what_the_system_is_holds(when: dict[str, Any]) -> None:
    assert holds(when)


@pytest.mark.parametrize(
    "when",
    [
        {"kernel": ">=6.1,<6.8"},
        {"kernel": ">6.18"},
        {"kernel": "<6.18"},
        {"kernel": "6.1"},
        {"kernel": "FreeBSD"},
        {"kernel": "!=6.18"},
        {"libc": "musl"},
        {"libc": "glibc >=2.37"},
        {"compiler": "clang++"},
        {"architecture": "aarch64"},
        {"component": {"redis": "<7"}},
        {"component": {"zeromq": "*"}},
        {"virtualization": "*"},
        {"libc": "glibc", "kernel": "<6"},
    ],
    ids=str,
)
def test_what_the_system_is_not_or_has_not_does_not_hold(when: dict[str, Any]) -> None:
    assert not holds(when)


def test_a_target_is_known_by_its_kind() -> None:
    assert not holds({"target_kind": "local"}, target_kind="of another version")


def test_a_part_without_a_version_is_within_no_bound() -> None:
    system = system_of({"libc": "musl"})
    assert Condition({"libc": "musl"}).holds(system)
    assert not Condition({"libc": "musl <9"}).holds(system)
    assert not Condition({"libc": "musl !=9"}).holds(system)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"kernal": "6.1"}, r"no word 'kernal'; did you mean kernel\?"),
        ({"component": {"redsi": "7"}}, r"component\.redsi.*did you mean component\.redis"),
        ({"target": "local"}, r"no word 'target'; did you mean target_kind\?"),
        ({"target_kind": "locl"}, r"target_kind has no 'locl'; did you mean local\?"),
        ({"target_kind": "*"}, r"target_kind has no '\*'; there is local"),
        ({"moon": "full"}, r"no word 'moon'; there are kernel, libc"),
        ({"kernel": ">=6.1,<"}, r"'<' is no bound such as"),
        ({"kernel": "Linux six"}, r"'six' is no bound"),
        ({"kernel": 6.1}, r"has to be a text"),
        ({"libc": []}, r"has to be a text"),
        ({"libc": " "}, r"has to be a text"),
    ],
    ids=str,
)
def test_a_condition_that_makes_no_sense_is_refused(when: dict[str, Any], said: str) -> None:
    with pytest.raises(ConditionError, match=said):
        Condition(when)


def test_versions_of_this_system_are_numbers_and_words_of_conditions() -> None:
    found = component_versions()
    assert found.keys() <= set(COMPONENTS)
    assert all(first_version(version) == version for version in found.values())
