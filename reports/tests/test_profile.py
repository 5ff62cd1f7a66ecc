"""Behaviour profiles: what belongs to one, what differs between two, and every form of them."""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gauntlet_reports import load_run, write_reports
from gauntlet_reports.comparison_input import ComparisonInputError
from gauntlet_reports.profile import Profile, SideBySide, profile_of, side_by_side
from gauntlet_reports.profile_html import render_profile_html
from gauntlet_reports.profile_json import (
    is_profile,
    read_profile,
    render_profile_json,
    render_profiles_json,
)
from gauntlet_reports.profile_markdown import render_profile_markdown
from gauntlet_reports.profile_terminal import profile_lines
from gauntlet_reports.profile_words import headline, rule_words
from gauntlet_reports.sample_run import NASTY, Line, ended, planned_cases, run_info, write_run

# Imported by name because they come without types of their own.
jsonschema: Any = importlib.import_module("jsonschema")
referencing: Any = importlib.import_module("referencing")

SCHEMAS = Path(__file__).resolve().parent.parent / "schema"
CASE = planned_cases()[0]
OTHER = planned_cases()[1]
SWEEP = (
    "pipe, kill of writer: 60 points of 90, 89 instructions\n  {fine}  fine\n  {stuck}  stuck: x\n"
)


def line(case: Line = CASE, repetition: int = 0, **given: Any) -> Line:
    chance = random.Random(1)
    told = {"measured": {}, "observed": {}} | given
    return ended(case, "pass", chance, repetition=repetition, **told)


def profile(folder: Path, *lines: Line, **info: Any) -> Profile:
    return profile_of(load_run(write_run(folder, run_info([CASE, OTHER], **info), lines)))


def measured(folder: Path, *lines: Line) -> dict[str, list[float] | list[str]]:
    made = profile(folder, *lines, fingerprint={})
    return {value.name: value.numbers or value.texts for value in made.values}


def errors(name: str, text: str) -> list[str]:
    documents = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")]
    registry = referencing.Registry().with_resources(
        (document["$id"], referencing.Resource.from_contents(document)) for document in documents
    )
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    return [error.message for error in validator.iter_errors(json.loads(text))]


def test_what_the_system_chose_is_kept_over_all_repetitions(tmp_path: Path) -> None:
    assert measured(
        tmp_path,
        line(measured={"messages_per_s": 10}, observed={"capacity": "4 messages"}),
        line(repetition=1, measured={"messages_per_s": 12}, observed={"capacity": "4 messages"}),
        line(repetition=2, observed={"capacity": "5 messages"}),
    ) == {"messages_per_s": [10.0, 12.0], "capacity": ["4 messages", "5 messages"]}


def test_what_a_search_tried_is_left_out_but_how_kills_ended_is_not(tmp_path: Path) -> None:
    sweep = {"sweep: pipe, kill of writer": SWEEP.format(fine=58, stuck=2)}
    calls = {"failing calls: open": "0 of 0 failures tried"}
    table = {"failing calls: send": "1 of 1 failures tried\nwrite #1 fails with EIO -> reported\n"}
    held_up = {"sweep: pipe, preemption of writer": SWEEP.format(fine=60, stuck=0)}
    assert measured(
        tmp_path,
        line(measured={"points": 60, "send_reported": 3}, observed=sweep | table | held_up),
        line(OTHER, measured={"programs": 8, "regions": 9, "attached": 7}, observed=calls),
    ) == {"sweep: pipe, kill of writer": ["fine", "stuck: x"], "regions": [9.0]}


def test_limits_of_the_machine_come_first_and_methods_in_their_order(tmp_path: Path) -> None:
    fingerprint = {"ipc": {"fs.mqueue.msg_max": "10"}, "limits": {"NOFILE": "1024"}, "libc": "x"}
    queue = next(case for case in planned_cases() if case["method"] == "message_queues")
    made = profile(
        tmp_path,
        line(queue, observed={"capacity": "4"}),
        line(observed={"regions": "1"}),
        fingerprint=fingerprint,
    )
    assert [(value.method, value.name) for value in made.values] == [
        ("system", "ipc fs.mqueue.msg_max"),
        ("system", "limits NOFILE"),
        ("pipes", "regions"),
        ("message_queues", "capacity"),
    ]
    assert made.fingerprint == fingerprint


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("capacity_over_the_limit", "limits and capacities"),
        ("attach_needs_a_descriptor", "limits and capacities"),
        ("sleepers_woken", "waking and order"),
        ("fairness_min_share_percent", "waking and order"),
        ("kept_of_a_flood", "what a flood leaves"),
        ("offer_of_a_dead_sender", "death of a peer"),
        ("eintr read(pipe) SIGSTOP", "interrupted calls"),
        ("wake_all_us", "latency and throughput"),
        ("unix_msg_oob", "other choices"),
    ],
)
def test_a_value_has_its_topic_from_its_name(tmp_path: Path, name: str, topic: str) -> None:
    (value,) = profile(tmp_path, line(observed={name: "so"}), fingerprint={}).values
    assert value.topic == topic


def differences(view: SideBySide) -> dict[str, str]:
    return {row.value.name: row.difference for row in view.rows}


def two(tmp_path: Path) -> tuple[Profile, Profile]:
    first = profile(
        tmp_path / "a",
        line(
            measured={"steady_per_s": 100, "moved_per_s": 100},
            observed={"kept": "yes", "changed": "EAGAIN", "gone": NASTY.replace("\r\n", " ")},
        ),
        line(repetition=1, observed={"kept": "no"}),
        fingerprint={"ipc": {"msgmax": "8192"}, "limits": {"NOFILE": "1024"}},
    )
    second = profile(
        tmp_path / "b",
        line(
            measured={"steady_per_s": 190, "moved_per_s": 210},
            observed={"kept": "no", "changed": "EINTR", "come": "new"},
        ),
        fingerprint={"ipc": {"msgmax": "65536"}, "limits": {"NOFILE": "1024"}},
    )
    return first, second


def test_numbers_beyond_the_band_and_texts_with_nothing_in_common_differ(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    assert differences(side_by_side(first, second)) == {
        "steady_per_s": "same",
        "moved_per_s": "differs",
        "kept": "same",
        "changed": "differs",
        "gone": "only before",
        "come": "only after",
        "ipc msgmax": "differs",
        "limits NOFILE": "same",
    }
    assert differences(side_by_side(first, second, band=4.0))["moved_per_s"] == "same"


@pytest.mark.parametrize(
    ("first_jobs", "second_jobs", "values", "told"),
    [
        (1, 1, 1, "differs"),
        (6, 1, 1, "not judged"),
        (1, 6, 4, "not judged"),
        (6, 6, 5, "differs"),
    ],
)
def test_rates_of_few_values_beside_other_cases_are_told_apart_and_not_judged(
    tmp_path: Path, first_jobs: int, second_jobs: int, values: int, told: str
) -> None:
    def side(name: str, jobs: int, factor: float) -> Profile:
        made = {"wake_all_us": 10 * factor, "regions": 10 * factor, "steady_us": 10.0}
        lines = [line(repetition=number, measured=made) for number in range(values)]
        return profile(tmp_path / name, *lines, jobs=jobs, fingerprint={})

    first, second = side("a", first_jobs, 1), side("b", second_jobs, 10)
    view = side_by_side(first, second)
    # How many regions there can be at once is no matter of who runs beside.
    assert differences(view) == {"wake_all_us": told, "regions": "differs", "steady_us": "same"}
    more = " of 3 values that both have differ"
    more = f"2{more};" if told == "differs" else f"1{more}, 1 more is not judged;"
    assert headline(view).startswith(more)
    assert ("Not judged are" in rule_words(view)) == (told == "not judged")
    shown = "\n".join(profile_lines(view, color=False, differing=True))
    assert ("(≟ differs, not judged)" in shown) == (told == "not judged")
    assert "steady_us" not in shown
    assert errors("profiles", render_profiles_json(view)) == []


def test_a_profile_that_does_not_tell_its_jobs_is_read_as_alone(tmp_path: Path) -> None:
    made: Line = msgspec.to_builtins(profile(tmp_path / "run", line(measured={"wake_us": 1})))
    del made["jobs"]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(made))
    assert read_profile(file).jobs is None
    later = profile(tmp_path / "b", line(measured={"wake_us": 9}), jobs=1)
    assert differences(side_by_side(read_profile(file), later))["wake_us"] == "differs"


def test_a_profile_beside_itself_differs_nowhere(tmp_path: Path) -> None:
    first, _ = two(tmp_path)
    assert set(differences(side_by_side(first, first)).values()) == {"same"}


def test_the_terminal_marks_a_difference_by_a_word(tmp_path: Path) -> None:
    view = side_by_side(*two(tmp_path))
    lines = profile_lines(view, color=False)
    assert "    pipe changed: EAGAIN | EINTR  (≠ differs)" in lines
    assert (
        lines[-1]
        == "3 of 6 values that both have differ; 1 of the first and 1 of the second alone."
    )
    assert not any("\x1b" in one or "\u202e" in one for one in lines)
    some = profile_lines(view, color=False, differing=True)
    assert any("changed" in one for one in some)
    assert not any("steady" in one or "come" in one for one in some)
    assert any("\x1b[33m" in one for one in profile_lines(view, color=True))


def test_one_profile_has_one_column(tmp_path: Path) -> None:
    view = side_by_side(two(tmp_path)[0])
    text = "\n".join(profile_lines(view, color=False))
    assert "moved_per_s: 100 [" in text
    assert "    pipe changed: EAGAIN\n" in text
    assert "differ" not in render_profile_markdown(view)
    assert "Second" not in render_profile_html(view)


def test_markdown_and_the_page_hold_every_row_and_escape_it(tmp_path: Path) -> None:
    view = side_by_side(*two(tmp_path))
    markdown = render_profile_markdown(view)
    assert markdown.count("\n| ") == len(view.rows) + 2 * 2
    page = render_profile_html(view)
    assert page.count("<tr") == len(view.rows) + page.count("<thead>")
    assert page.count("≠ differs") == 3
    assert "<script" not in page
    assert "onerror=alert(1)>" not in page
    assert "No value differs" in render_profile_html(side_by_side(view.before, view.before), True)


def test_json_fits_its_schemas(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    assert errors("profile", render_profile_json(first)) == []
    assert errors("profiles", render_profiles_json(side_by_side(first, second))) == []
    wrong = render_profile_json(first).replace('"waking and order"', '"x"')
    wrong = wrong.replace('"other choices"', '"else"')
    assert errors("profile", wrong)


def test_a_run_keeps_its_profile_and_it_is_read_again(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", run_info([CASE]), [line(observed={"capacity": "4"})])
    write_reports(folder)
    kept = folder / "profile.json"
    assert errors("profile", kept.read_text()) == []
    assert is_profile(kept)
    assert not is_profile(folder / "results.json")
    assert read_profile(kept) == profile_of(load_run(folder))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"schema": 2}, "is of schema 2"), ({"values": [7]}, "is no profile.json")],
)
def test_a_profile_that_is_newer_or_damaged_is_refused(
    tmp_path: Path, change: Line, said: str
) -> None:
    file = tmp_path / "profile.json"
    made: Line = msgspec.to_builtins(profile(tmp_path / "run", line()))
    file.write_text(json.dumps(made | change))
    with pytest.raises(ComparisonInputError, match=said):
        read_profile(file)
