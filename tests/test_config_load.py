"""A whole configuration: what a file comes to."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from configured import CATALOGUE, REST, ProbeSettings, load_text, remarks, with_reader
from expvastic.config import Config, from_values, load
from expvastic.errors import ConfigError
from expvastic.pages.mapping import MappingSettings

SEED = Path(__file__).parent / "configurations" / "seed.yml"
SEED_ROUTES = """\
routes:
    route1:
        readers:
            - app_0
            - app_2
        recorders:
            - elastic_1
    route2:
        readers:
            - app_0
        recorders:
            - elastic_1
            - elastic_2
            - elastic_3
    route2:
        readers:
            - app_1
            - app_2
        recorders:
            - elastic_1
            - elastic_0
"""
V0_1 = """\
settings:
    debug_evel: warn
readers:
    my_app:
        type: expvar
        endpoint: localhost:1234
        routepath: /debug/vars
        interval: 500ms
        timeout: 3s
        log_level: debug
        backoff: 10
    expvastic:
        type: self
        interval: 1s
        timeout: 3s
        backoff: 6
recorders:
    elastic1:
        type: elasticsearch
        endpoint: 127.0.0.1:9200
        index_name: expvastic
        type_name: my_app1
        timeout: 8s
        backoff: 10
routes:
    route1:
        readers: my_app expvastic
        recorders: elastic1
"""
V0_4 = """\
settings:
    log_level: INFO
readers:
    my_app:
        type: expvar
        endpoint: localhost:1234
        routepath: /debug/vars
        type_name: my_app
        map_file: maps.yml
        interval: 500ms
        timeout: 3s
        backoff: 10
    self:
        type: self
        type_name: expvastic
        interval: 500ms
        backoff: 10
recorders:
    elastic1: {type: elasticsearch, endpoint: 127.0.0.1:9200, index_name: expvastic, timeout: 8s, backoff: 10}
    elastic2: {type: elasticsearch, endpoint: 127.0.0.1:9200, index_name: expvastic, timeout: 8s, backoff: 10}
    elastic3: {type: elasticsearch, endpoint: 127.0.0.1:9201, index_name: expvastic, timeout: 18s, backoff: 10}
routes:
    route1: {readers: [my_app], recorders: [elastic1]}
    route2: {readers: [my_app], recorders: [elastic2]}
    self_route: {readers: [self], recorders: [elastic3]}
"""


def seed_with_bodies() -> str:
    readers = "".join(f"    app_{n}: {{type: expvar, endpoint: 'localhost:{1230 + n}'}}\n" for n in range(3))
    recorders = "".join(
        f"    elastic_{n}: {{type: elasticsearch, endpoint: 'localhost:{9200 + n}'}}\n" for n in range(4)
    )
    return f"readers:\n{readers}recorders:\n{recorders}{SEED_ROUTES}"


def two_recorders(first: str, second: str, reader: str = "") -> str:
    return f"""\
readers:
  app: {{type: idle{reader}}}
recorders:
  a: {{type: sink, index_name: x, type_name: {first}}}
  b: {{type: sink, index_name: y, type_name: {second}}}
routes:
  main: {{readers: app, recorders: a b}}
"""


def type_name(config: Config, reader: str = "app") -> str:
    return config.readers[reader].interpreter.type_name


# --- files of the ancestor ---


def test_the_ancestors_sample_loads_as_it_is_with_names_in_mixed_case() -> None:
    config = load(SEED)

    assert config.engines == {
        "FirstApp": ("main_elasticsearch",),
        "SomeApplication": ("main_elasticsearch", "the_other_elasticsearch"),
    }
    assert config.settings.log_level == "info"
    first, second = config.readers["FirstApp"], config.readers["SomeApplication"]
    assert (first.engine.interval, first.engine.timeout, first.engine.log_level) == (0.5, 3.0, "debug")
    assert (type_name(config, "FirstApp"), second.engine.timeout) == ("my_app1", 13.0)
    assert config.recorders["main_elasticsearch"].delivery.timeout == 8.0


MAPS = """\
gc_types: PauseEnd memstats.PauseNs
memory_bytes:
    Alloc: mb
    memstats.sys: GB
"""


def test_two_recorders_of_the_ancestors_sample_share_a_place_and_that_is_said_once() -> None:
    config = load(SEED)

    assert config.shared == {"main_elasticsearch", "the_other_elasticsearch"}
    (remark,) = config.remarks
    assert remark.where == f"{SEED}:31 recorders"
    assert remark.message == (
        "main_elasticsearch and the_other_elasticsearch write to the same place, http://127.0.0.1:9200/expvastic"
    )


def test_the_ancestors_routes_with_one_name_twice_make_the_three_engines_that_it_states(tmp_path: Path) -> None:
    config = load_text(seed_with_bodies(), tmp_path, catalogue=None)

    assert dict(config.engines) == {
        "app_0": ("elastic_1", "elastic_2", "elastic_3"),
        "app_1": ("elastic_1", "elastic_0"),
        "app_2": ("elastic_1", "elastic_0"),
    }
    assert remarks(config) == [":24 routes.route2: repeated: it is in line 17 too; both count"]


def test_a_file_for_v0_1_loads_with_type_names_on_recorders(tmp_path: Path) -> None:
    config = load_text(V0_1, tmp_path, catalogue=None)

    assert config.settings.log_level == "warn"
    assert {name: type_name(config, name) for name in config.readers} == {"my_app": "my_app1", "expvastic": "my_app1"}
    assert config.readers["expvastic"].engine.backoff == 6
    assert dict(config.engines) == {"my_app": ("elastic1",), "expvastic": ("elastic1",)}


def test_a_file_for_v0_4_loads_with_its_map_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps.yml").write_text(MAPS)
    config = load_text(V0_4, tmp_path, catalogue=None)

    assert (config.settings.log_level, type_name(config, "self")) == ("info", "expvastic")
    assert dict(config.engines) == {"my_app": ("elastic1", "elastic2"), "self": ("elastic3",)}
    mapping = config.readers["my_app"].map_file
    assert mapping is not None
    assert mapping.gc_types == ("PauseEnd", "memstats.PauseNs")
    assert mapping.memory_bytes == {"Alloc": "mb", "memstats.sys": "gb"}
    assert remarks(config) == [
        ":20 recorders: elastic1 and elastic2 write to the same place, http://127.0.0.1:9200/expvastic",
    ]


@pytest.mark.parametrize(
    ("maps", "complaint"),
    [
        (None, "readers.my_app.map_file: maps.yml: no such file"),
        ("memory_bytes:\n  Alloc: zb\n", "maps.yml:2 memory_bytes.Alloc: "),
        ("memory: {}\n", "maps.yml:1 memory: unknown key; did you mean memory_bytes?"),
        ("[", "maps.yml:"),
    ],
)
def test_what_is_wrong_with_a_map_file_is_said_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maps: str | None, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if maps is not None:
        (tmp_path / "maps.yml").write_text(maps)

    with pytest.raises(ConfigError) as raised:
        load_text(V0_4, tmp_path, catalogue=None)

    [found] = raised.value.complaints
    assert found.where.endswith(":9 readers.my_app.map_file")
    assert complaint in str(found)


def test_an_empty_map_file_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps.yml").write_text("# nothing yet\n")

    assert load_text(V0_4, tmp_path, catalogue=None).readers["my_app"].map_file == MappingSettings()


def test_the_old_log_level_is_ignored_where_the_new_one_is_given(tmp_path: Path) -> None:
    text = "settings: {debug_evel: debug, log_level: error}\n" + with_reader("endpoint: h:1")
    config = load_text(text, tmp_path)

    assert config.settings.log_level == "error"
    assert remarks(config) == [":1 settings.debug_evel: ignored: log_level is given"]


# --- settings and plans ---


def test_a_plan_holds_the_settings_of_engine_interpreter_and_plug_in_apart(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1/x", "interval: 2m", "tags: {env: prod}", "limit: 5 KB")
    plan = load_text(text, tmp_path).readers["app"]

    assert (plan.name, plan.type) == ("app", "probe")
    assert plan.engine.interval == 120.0
    assert plan.interpreter.tags == {"env": "prod"}
    assert isinstance(plan.plugin, ProbeSettings)
    assert (plan.plugin.limit, plan.plugin.endpoint.address) == (5000, "http://h:1/x")


def test_a_recorder_has_settings_of_delivery_within_sections(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1").replace(
        "es: {type: sink}", "es: {type: sink, batch: {count: 7}, buffer: {max_bytes: 1 MiB, when_full: Shed_Newest}}"
    )
    delivery = load_text(text, tmp_path).recorders["es"].delivery

    assert (delivery.batch.count, delivery.batch.wait) == (7, 1.0)
    assert (delivery.buffer.max_bytes, delivery.buffer.when_full) == (2**20, "shed_newest")


def test_without_settings_there_are_the_defaults(tmp_path: Path) -> None:
    settings = load_text("settings:\n" + with_reader("endpoint: h:1"), tmp_path).settings

    assert (settings.log_level, settings.log_format, settings.grace, settings.memory) == ("info", "auto", 10, 2**28)
    assert (settings.state_dir, settings.listen) == (None, None)


@pytest.mark.parametrize(("path", "taken"), [("/var/lib/x", "/var/lib/x"), ("./x y", "./x y"), ("2026", "2026")])
def test_a_state_directory_and_what_is_kept_there_are_taken_as_they_are_written(
    path: str, taken: str, tmp_path: Path
) -> None:
    buffer = "es: {type: sink, buffer: {type: disk, segment_bytes: 1 MiB, sync: Always}}"
    text = f"settings: {{state_dir: {path}}}\n" + with_reader("endpoint: h:1").replace("es: {type: sink}", buffer)

    config = load_text(text, tmp_path)

    assert config.settings.state_dir == taken
    settings = config.recorders["es"].delivery.buffer
    assert (settings.type, settings.segment_bytes, settings.sync) == ("disk", 2**20, "always")


def test_what_a_buffer_on_disk_takes_is_no_harm_in_memory(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1").replace("es: {type: sink}", "es: {type: sink, buffer: {sync: never}}")

    assert load_text(text, tmp_path).recorders["es"].delivery.buffer.type is None


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:8642", "localhost:1", "[::1]:80", "unix:/run/expvastic.sock", "public://0.0.0.0:80"]
)
def test_what_to_listen_on_is_taken_as_it_is_written(listen: str, tmp_path: Path) -> None:
    text = f"settings: {{listen: '{listen}'}}\n" + with_reader("endpoint: h:1")

    assert load_text(text, tmp_path).settings.listen == listen


def test_keys_and_choices_may_be_written_in_any_case(tmp_path: Path) -> None:
    text = with_reader("Endpoint: h:1", "LOG_LEVEL: Debug", "Follow: SAME_HOST")
    plan = load_text(text.replace("readers:", "Readers:").replace("type: probe", "Type: Probe"), tmp_path).readers[
        "app"
    ]

    assert isinstance(plan.plugin, ProbeSettings)
    assert (plan.engine.log_level, plan.plugin.follow) == ("debug", "same_host")


@pytest.mark.parametrize(
    ("written", "meant"), [("yes", True), ("'TRUE'", True), ("no", False), ("same_host", "same_host")]
)
def test_a_choice_between_truths_and_words_takes_both(written: str, meant: object, tmp_path: Path) -> None:
    plugin = load_text(with_reader("endpoint: h:1", f"follow: {written}"), tmp_path).readers["app"].plugin

    assert isinstance(plugin, ProbeSettings)
    assert plugin.follow == meant


def test_text_that_looks_like_something_else_is_kept_as_it_is_written(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1", "username: 1e3", "password: 0123", "type_name: 2016-12-21", "tags: {on: yes}")
    plan = load_text(text.replace("on:", "'on':"), tmp_path).readers["app"]

    assert isinstance(plan.plugin, ProbeSettings)
    assert plan.plugin.password
    assert (plan.plugin.username, plan.plugin.password.get_secret_value()) == ("1e3", "0123")
    assert (plan.interpreter.type_name, plan.interpreter.tags) == ("2016-12-21", {"on": "yes"})


@pytest.mark.parametrize("written", ["a b  7", "[a, b, 7]", "'a b 7'"])
def test_a_text_is_split_at_blanks_where_a_list_is_meant(written: str, tmp_path: Path) -> None:
    plugin = load_text(with_reader("endpoint: h:1", f"include: {written}"), tmp_path).readers["app"].plugin

    assert isinstance(plugin, ProbeSettings)
    assert plugin.include == ("a", "b", "7")


def test_a_text_is_not_split_where_it_may_stand_alone(tmp_path: Path) -> None:
    plugin = load_text(with_reader("endpoint: h:1", "alone: a b"), tmp_path).readers["app"].plugin

    assert isinstance(plugin, ProbeSettings)
    assert plugin.alone == "a b"


def test_a_key_with_nothing_behind_it_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    plan = load_text(with_reader("endpoint: h:1", "interval:", "tags:", "limit: ~"), tmp_path).readers["app"]

    assert (plan.engine.interval, plan.interpreter.tags) == (10.0, {})


def test_one_description_may_be_taken_into_another(tmp_path: Path) -> None:
    text = "readers:\n  app: &app {type: probe, endpoint: h:1, interval: 1s}\n  b: {<<: *app, interval: 2s}\n" + REST
    readers = load_text(text, tmp_path).readers

    assert [plan.engine.interval for plan in readers.values()] == [1.0, 2.0]


# --- type names ---


def test_a_reader_without_a_type_name_has_that_of_its_recorders(tmp_path: Path) -> None:
    assert type_name(load_text(two_recorders("one", "one"), tmp_path)) == "one"
    assert type_name(load_text(two_recorders("", "one"), tmp_path)) == "one"


def test_a_readers_own_type_name_goes_first(tmp_path: Path) -> None:
    assert type_name(load_text(two_recorders("one", "two", ", type_name: own"), tmp_path)) == "own"


def test_a_reader_without_any_type_name_has_its_own_name(tmp_path: Path) -> None:
    assert type_name(load_text(two_recorders("", ""), tmp_path)) == "app"


# --- routes ---


def test_names_in_routes_are_found_in_any_case(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1").replace("  app:", "  FirstApp:").replace("readers: app", "Readers: firstAPP")

    assert dict(load_text(text, tmp_path).engines) == {"FirstApp": ("es",)}


def test_what_no_route_names_is_said_and_not_started(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1").replace(
        "recorders:\n", "  idle: {type: idle}\nrecorders:\n  spare: {type: sink}\n", 1
    )
    config = load_text(text, tmp_path)

    assert set(config.readers) == {"app", "idle"}
    assert dict(config.engines) == {"app": ("es",)}
    assert remarks(config) == [
        ":5 readers.idle: no route names it; it is not started",
        ":7 recorders.spare: no route names it; it is not started",
    ]
    assert config.shared == frozenset()


def test_a_file_with_a_thousand_readers_loads_in_less_than_300_ms(tmp_path: Path) -> None:
    keys = "routepath: /debug/vars, type_name: x, interval: 500ms, timeout: 3s, backoff: 10, tags: {team: a}"
    readers = "".join(f"  app_{n}: {{type: expvar, endpoint: 'localhost:{1000 + n}', {keys}}}\n" for n in range(1000))
    names = "".join(f"      - app_{n}\n" for n in range(1000))
    text = f"readers:\n{readers}recorders:\n  es: {{type: elasticsearch, endpoint: h:1}}\n"
    text += f"routes:\n  all:\n    recorders: es\n    readers:\n{names}"
    load_text(text, tmp_path, catalogue=None)

    taken = []
    tracer = sys.gettrace()
    sys.settrace(None)  # measuring coverage takes longer than all that is measured here
    for _ in range(3):
        started = time.process_time()
        config = load_text(text, tmp_path, catalogue=None)
        taken.append(time.process_time() - started)
    sys.settrace(tracer)

    assert len(config.engines) == 1000
    assert min(taken) < 0.3


# --- without a file ---


def test_plain_values_make_the_same_configuration_as_a_file(tmp_path: Path) -> None:
    values = {
        "readers": {"app": {"type": "probe", "endpoint": "h:1", "interval": "2s", "include": ["a"]}},
        "recorders": {"es": {"type": "sink"}},
        "routes": {"main": {"readers": ["app"], "recorders": ["es"]}},
    }
    config = from_values(values, "command line", CATALOGUE)
    same = load_text(with_reader("endpoint: h:1", "interval: 2s", "include: a"), tmp_path)

    assert (config.readers, config.engines) == (same.readers, same.engines)


def test_what_is_wrong_with_plain_values_is_said_without_lines() -> None:
    values = {"readers": {"a": {"type": "probe", "interval": "x"}}, "recorders": {"es": {"type": "sink"}}, "routes": {}}

    with pytest.raises(ConfigError) as caught:
        from_values(values, "command line", CATALOGUE)

    assert str(caught.value).splitlines() == [
        "command line readers.a.interval: not a duration; write it like 500ms, 10s or 1m30s",
        "command line readers.a.endpoint: is missing",
        "command line routes: is empty; describe at least one route",
    ]


def test_a_value_that_no_file_could_hold_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="a bytes is no configuration value"):
        from_values({"readers": b""}, "command line", CATALOGUE)


def test_variables_in_plain_values_are_left_as_they_are() -> None:
    values = {
        "readers": {"app": {"type": "probe", "endpoint": "h:1", "username": "${HOME}"}},
        "recorders": {"es": {"type": "sink"}},
        "routes": {"main": {"readers": "app", "recorders": "es"}},
    }
    plugin = from_values(values, "command line", CATALOGUE).readers["app"].plugin

    assert isinstance(plugin, ProbeSettings)
    assert plugin.username == "${HOME}"
