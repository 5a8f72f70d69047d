"""What is said about a configuration that is wrong: where, in plain words, all at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from configured import REST, complaints, load_text, with_reader
from expvastic.config.complaints import Complaints, listed, printable


def test_a_misspelt_key_is_told_with_file_line_path_and_the_nearest_spelling(tmp_path: Path) -> None:
    text = "settings: {log_level: info}\n\n\nreaders:\n  my_app:\n    type: probe\n    endpint: h:1\n" + REST.replace(
        "readers: app", "readers: my_app"
    )

    assert complaints(text, tmp_path) == ["expvastic.yml:7 readers.my_app.endpint: unknown key; did you mean endpoint?"]


def test_all_complaints_come_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = """\
settings: {grace: 0s}
readers:
  app: {type: prob}
  other:
    interval: 1s
recorders:
  es: {type: sink, batch: {cnt: 1}}
routes:
  main: {readers: [app, othr], recorders: [es]}
"""

    assert complaints(text, tmp_path) == [
        "expvastic.yml:1 settings.grace: must be longer than zero",
        "expvastic.yml:3 readers.app.type: must be probe or idle; did you mean probe?",
        "expvastic.yml:4 readers.other.type: is missing; write probe or idle",
        "expvastic.yml:7 recorders.es.batch.cnt: unknown key; did you mean count?",
        "expvastic.yml:9 routes.main.readers: there is no reader othr; did you mean other?",
    ]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("interval: 5x", "interval: not a duration; write it like 500ms, 10s or 1m30s"),
        ("interval: -1s", "interval: not a duration; write it like 500ms, 10s or 1m30s"),
        ("interval: 0s", "interval: must be longer than zero"),
        ("interval: [1s]", "interval: not a duration; write it like 500ms, 10s or 1m30s"),
        ("limit: 10 XB", "limit: not a size; write it like 500000, 10 MB or 32 MiB"),
        ("backoff: 0", "backoff: must be at least 1"),
        ("backoff: many", "backoff: must be a whole number"),
        ("backoff: 1.5", "backoff: must be a whole number"),
        ("ratio: 1", "ratio: must be below 1.0"),
        ("ratio: x", "ratio: must be a number"),
        ("cmdline: perhaps", "cmdline: must be true or false"),
        ("log_level: inf", "log_level: must be debug, info, warn, warning or error; did you mean info?"),
        ("follow: 7", "follow: must be true, false or same_host"),
        ("level: 3", "level: must be 1 or 2"),
        ("since: soon", "since: must be a valid date or datetime, input is too short"),
        ("tags: [a]", "tags: must be a mapping, like {name: value}"),
        ("tags: {a: {b: c}}", "tags.a: must be text"),
        ("username: {a: b}", "username: must be text"),
        ("include: {a: b}", "include: must be a list, like [a, b]"),
        ("include: [a, [b]]", "include: must be text"),
        ("alone: {a: b}", "alone: must be text or a list, like [a, b]"),
        ("index_name: x", "index_name: unknown key"),
        ("intervall: 1s", "intervall: unknown key; did you mean interval?"),
        ("pasword_file: x", "pasword_file: unknown key; did you mean password_file?"),
        ("endpoint: h:2", "endpoint: repeated: it is in line 4 already"),
        ("ENDPOINT: h:2", "ENDPOINT: given before, in line 4"),
    ],
)
def test_a_wrong_key_is_told_in_plain_words(key: str, message: str, tmp_path: Path) -> None:
    assert complaints(with_reader("endpoint: h:1", key), tmp_path) == [f"expvastic.yml:5 readers.app.{message}"]


def test_what_a_plug_in_finds_wrong_is_said_of_the_whole(tmp_path: Path) -> None:
    assert complaints(with_reader("endpoint: h:1", "username: root"), tmp_path) == [
        "expvastic.yml:2 readers.app: root may not"
    ]


def test_a_missing_key_is_told_where_it_is_missing(tmp_path: Path) -> None:
    assert complaints(with_reader(), tmp_path) == ["expvastic.yml:2 readers.app.endpoint: is missing"]


def test_a_key_of_another_type_is_told_as_such(tmp_path: Path) -> None:
    text = "readers:\n  app: {type: idle, ratio: 0.1}\n" + REST

    assert complaints(text, tmp_path) == ["expvastic.yml:2 readers.app.ratio: no key of the type idle; probe has it"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  app:\n", "readers.app: is empty; give it a type"),
        ("  app: 5\n", "readers.app: must be a mapping, like {name: value}"),
        ("  app: {}\n", "readers.app.type: is missing; write probe or idle"),
        ("  app: {tpye: idle}\n", "readers.app.tpye: unknown key; did you mean type?"),
        ("  app: {type: [idle]}\n", "readers.app.type: must be probe or idle"),
        ("  app: {type: elasticsearch}\n", "readers.app.type: must be probe or idle"),
        ("  app: {type: idle, Type: probe}\n", "readers.app.type: given before, in line 2"),
    ],
)
def test_a_reader_that_is_none_is_told(text: str, message: str, tmp_path: Path) -> None:
    assert complaints("readers:\n" + text + REST, tmp_path) == [f"expvastic.yml:2 {message}"]


@pytest.mark.parametrize("name", ["''", "' '", '"a\\tb"', '"\\e[31m"'])
def test_a_name_needs_something_to_see(name: str, tmp_path: Path) -> None:
    text = f"readers:\n  app: {{type: idle}}\n  {name}: {{type: idle}}\n{REST}"

    (said,) = complaints(text, tmp_path)
    assert said.endswith(": a name needs letters, and no control characters")
    assert said.isprintable()


def test_names_that_differ_in_case_alone_are_an_error(tmp_path: Path) -> None:
    text = "readers:\n  app: {type: idle}\n  App: {type: idle}\n" + REST

    assert complaints(text, tmp_path) == ["expvastic.yml:3 readers.App: differs in case alone from app in line 2"]


@pytest.mark.parametrize("part", ["readers", "recorders"])
def test_a_name_that_is_there_twice_is_an_error(part: str, tmp_path: Path) -> None:
    twice = {"readers": "  app: {type: idle}\n", "recorders": "  es: {type: sink}\n"}
    text = "".join(f"{key}:\n{line * (1 + (key == part))}" for key, line in twice.items())
    text += "routes:\n  main: {readers: app, recorders: es}\n"

    (said,) = complaints(text, tmp_path)
    assert f" {part}." in said
    assert said.endswith(" already")


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ("", ":5 routes: is missing"),
        ("  5", ":5 routes: must be a mapping from names to readers and recorders"),
        ("  {}", ":5 routes: is empty; describe at least one route"),
        ("  r:", ":6 routes.r: is empty; give it readers and recorders"),
        ("  r: app", ":6 routes.r: must be a mapping with readers and recorders"),
        ("  r: {readers: app}", ":6 routes.r.recorders: is missing"),
        ("  r: {readers: app, recorders: }", ":6 routes.r.recorders: is missing"),
        ("  r: {readers: [], recorders: es}", ":6 routes.r.readers: is empty; name at least one reader"),
        ("  r: {readers: '', recorders: es}", ":6 routes.r.readers: is empty; name at least one reader"),
        ("  r: {readers: [[app]], recorders: es}", ":6 routes.r.readers: must be a list of names, like [a, b]"),
        ("  r: {readers: [~, app], recorders: es}", ":6 routes.r.readers: must be a list of names, like [a, b]"),
        ("  r: {readers: {app: 1}, recorders: es}", ":6 routes.r.readers: must be a list of names, like [a, b]"),
        ("  r: {reader: app, recorders: es}", ":6 routes.r.reader: unknown key; did you mean readers?"),
        ("  r: {readers: app, recorders: es, x: 1}", ":6 routes.r.x: unknown key"),
        ("  r: {readers: app, Readers: app, recorders: es}", ":6 routes.r.readers: given before, in line 6"),
        ("  r: {readers: ap, recorders: es}", ":6 routes.r.readers: there is no reader ap; did you mean app?"),
        ("  r: {readers: app, recorders: app}", ":6 routes.r.recorders: there is no recorder app; app is a reader"),
        ("  r: {readers: es, recorders: es}", ":6 routes.r.readers: there is no reader es; es is a recorder"),
        (
            "  r: {readers: 'app,x', recorders: es}",
            ":6 routes.r.readers: there is no reader app,x; write a list as [a, b], or put blanks between names",
        ),
        ("  r:\n    readers:\n      - app\n      - b\n    recorders: es", ":9 routes.r.readers: there is no reader b"),
    ],
)
def test_a_route_that_leads_nowhere_is_told(routes: str, message: str, tmp_path: Path) -> None:
    text = f"readers:\n  app: {{type: idle}}\nrecorders:\n  es: {{type: sink}}\nroutes:\n{routes}\n"

    assert complaints(text, tmp_path) == [f"expvastic.yml{message}"]


def test_a_name_that_is_described_with_errors_is_a_name_nonetheless(tmp_path: Path) -> None:
    assert complaints("readers:\n  app: {type: nope}\n" + REST, tmp_path) == [
        "expvastic.yml:2 readers.app.type: must be probe or idle"
    ]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "~\n", "\ufeff"])
def test_an_empty_file_is_told_as_empty(text: str, tmp_path: Path) -> None:
    assert complaints(text, tmp_path) == ["expvastic.yml: empty configuration; write readers, recorders and routes"]


@pytest.mark.parametrize("text", ["5", "[a]", "text"])
def test_a_file_that_is_no_mapping_is_told(text: str, tmp_path: Path) -> None:
    assert complaints(text, tmp_path) == ["expvastic.yml:1: must be a mapping with readers, recorders and routes"]


def test_every_part_that_is_missing_is_told(tmp_path: Path) -> None:
    assert complaints("settings: {}\n", tmp_path) == [
        "expvastic.yml readers: is missing",
        "expvastic.yml recorders: is missing",
        "expvastic.yml routes: is missing",
    ]


def test_an_unknown_part_is_told_with_the_nearest(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1").replace("routes:", "route:") + "\nextra: 1\n"

    assert complaints(text, tmp_path) == [
        "expvastic.yml:7 route: unknown key; did you mean routes?",
        "expvastic.yml:10 extra: unknown key",
    ]


@pytest.mark.parametrize("part", ["readers", "recorders"])
def test_a_part_that_is_there_twice_in_different_case_is_told(part: str, tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1") + f"{part.upper()}: {{}}\n"

    (said,) = complaints(text, tmp_path)
    assert said.startswith(f"expvastic.yml:9 {part.upper()}: given before, in line ")


def test_a_text_that_may_not_be_empty_is_told(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1").replace("{type: sink}", "{type: sink, index_name: ''}")

    assert complaints(text, tmp_path) == ["expvastic.yml:6 recorders.es.index_name: must not be empty"]


@pytest.mark.parametrize("part", ["readers", "recorders"])
def test_a_part_that_is_no_mapping_or_empty_is_told(part: str, tmp_path: Path) -> None:
    other = {"readers": "recorders:\n  es: {type: sink}\n", "recorders": "readers:\n  app: {type: idle}\n"}[part]
    routes = "routes: {}\n"

    assert f"expvastic.yml:1 {part}: is empty; describe at least one {part[:-1]}" in complaints(
        f"{part}: {{}}\n{other}{routes}", tmp_path
    )
    assert f"expvastic.yml:1 {part}: must be a mapping from names to what they are" in complaints(
        f"{part}: [a]\n{other}{routes}", tmp_path
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("state_dir: ''", "state_dir: not the name of a folder; write it like /var/lib/expvastic"),
        ('state_dir: "/a\\0b"', "state_dir: not the name of a folder; write it like /var/lib/expvastic"),
        ("state_dir: [a]", "state_dir: must be"),
        ("log_level: verbose", "log_level: must be debug, info, warn, warning or error"),
        ("loglevel: info", "loglevel: unknown key; did you mean log_level?"),
        ("debug_evel: loud", "log_level: must be debug, info, warn, warning or error"),
        ("listen: 0.0.0.0:80", "listen: others could look in; write a loopback address like 127.0.0.1:8642"),
        ("listen: localhost", "listen: not an address and a port; write a loopback address like 127.0.0.1:8642"),
        ("listen: http://127.0.0.1:1", "listen: not an address and a port; "),
    ],
)
def test_a_wrong_setting_is_told(setting: str, message: str, tmp_path: Path) -> None:
    (said,) = complaints(f"settings:\n  {setting}\n" + with_reader("endpoint: h:1"), tmp_path)

    assert said.startswith(f"expvastic.yml:2 settings.{message}")


def on_disk(settings: str) -> str:
    buffer = "es: {type: sink,\n    Buffer:\n      {max_bytes: 1 MiB,\n      Type: Disk}}"
    return settings + with_reader("endpoint: h:1").replace("es: {type: sink}", buffer)


@pytest.mark.parametrize("settings", ["", "settings:\n", "settings: {log_level: info}\n", "settings: {state_dir: }\n"])
def test_a_buffer_on_disk_without_a_state_directory_is_told(settings: str, tmp_path: Path) -> None:
    line = 9 + settings.count("\n")

    assert complaints(on_disk(settings), tmp_path) == [
        f"expvastic.yml:{line} recorders.es.buffer.type: disk needs settings.state_dir"
    ]


@pytest.mark.parametrize(("buffer", "is_told"), [("", True), ("type: disk, ", True), ("type: memory, ", False)])
def test_a_buffer_on_disk_that_is_too_small_for_the_books_is_told(buffer: str, is_told: bool, tmp_path: Path) -> None:
    described = f"es: {{type: sink, buffer: {{{buffer}max_bytes: 1000 KB}}}}"
    text = "settings: {state_dir: x}\n" + with_reader("endpoint: h:1").replace("es: {type: sink}", described)
    if not is_told:
        load_text(text, tmp_path)
        return

    [said] = complaints(text, tmp_path)

    assert "recorders.es.buffer.max_bytes: must be at least 1 MiB on disk" in said


@pytest.mark.parametrize("settings", ["settings: {state_dir: ''}\n", "settings: {state_dir: x, grace: no}\n"])
def test_where_the_settings_are_wrong_nobody_asks_for_a_state_directory(settings: str, tmp_path: Path) -> None:
    [said] = complaints(on_disk(settings), tmp_path)

    assert "settings.state_dir:" in said or "settings.grace:" in said


def test_settings_that_are_no_mapping_are_told(tmp_path: Path) -> None:
    assert complaints("settings: info\n" + with_reader("endpoint: h:1"), tmp_path) == [
        "expvastic.yml:1 settings: must be a mapping, like {name: value}"
    ]


def test_recorders_that_disagree_about_the_type_name_are_both_named(tmp_path: Path) -> None:
    text = """\
readers:
  app: {type: idle}
recorders:
  a: {type: sink, type_name: one}
  b: {type: sink, type_name: two}
routes:
  main: {readers: app, recorders: a b}
"""

    (said,) = complaints(text, tmp_path)
    assert said.startswith("expvastic.yml:2 readers.app: has no type_name of its own, and its recorders disagree: ")
    assert said.endswith(": a says one and b says two; give the reader one")


def test_thousands_of_wrong_names_are_told_quickly(tmp_path: Path) -> None:
    readers = "".join(f"  some_application_number_{n}: {{type: idle}}\n" for n in range(2000))
    wrong = " ".join(f"some_aplication_number_{n}" for n in range(2000))
    text = f"readers:\n{readers}recorders:\n  es: {{type: sink}}\nroutes:\n  r: {{readers: {wrong}, recorders: es}}\n"
    started = time.process_time()
    said = complaints(text, tmp_path)

    assert len(said) == 2000
    assert time.process_time() - started < 5


def test_a_number_beyond_all_bounds_is_a_complaint(tmp_path: Path) -> None:
    (said,) = complaints(with_reader("endpoint: h:1", f"limit: '{'9' * 400}'"), tmp_path)

    assert said.startswith("expvastic.yml:")


def test_control_characters_and_long_words_are_shown_harmlessly() -> None:
    assert printable("a\x1b[31mb\n") == "a\\x1b[31mb\\n"
    assert len(printable("x" * 10_000)) < 300


def test_words_are_listed_as_people_do() -> None:
    assert [listed("a"), listed("ab"), listed("abc", "and")] == ["a", "a or b", "a, b and c"]


def test_secrets_and_user_info_are_masked_in_complaints() -> None:
    found = Complaints("f")
    found.remark(("a",), "hunter2hunter2 at http://me:pw@host/x")
    found.secrets.add("hunter2hunter2")

    assert str(found.remarks[0]) == "f a: *** at http://***@host/x"
