import gc
import json
import tracemalloc
from typing import Any

import pytest
from pydantic import ValidationError

from expvastic.datatypes import Container, Kind, Page, Reading
from expvastic.document import Identity
from expvastic.errors import InvalidPayload
from expvastic.interpreter import Interpreter
from expvastic.pages.settings import InterpreterSettings

NOON = 1_795_262_400_000_000_000  # 2026-11-21T12:00:00Z in nanoseconds


def make(prefix: str = "expvar", interval: float = 10.0, **settings: Any) -> Interpreter:
    return Interpreter(
        InterpreterSettings.model_validate(settings),
        Identity("0123456789abcdef", "host-1", "9.9"),
        reader="my_app",
        target="http://localhost:1234/debug/vars",
        prefix=prefix,
        interval=interval,
    )


def read(body: bytes | dict[str, Any], time: int = NOON) -> Reading:
    return Reading(time, 2_500_000, (Page(body, "expvar"),))


def document(container: Container) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(container.document)
    return parsed


def names(container: Container) -> tuple[str, ...]:
    return tuple(value.name for value in container)


def test_a_page_becomes_one_document_with_its_metadata() -> None:
    [container] = make(tags={"env": "test"}).interpret(read(b'{"memstats":{"Alloc":2780496},"count":12,"on":true}'))

    assert document(container) == {
        "@timestamp": "2026-11-21T12:00:00.000000Z",
        "event.duration": 2_500_000,
        "event.dataset": "expvar",
        "service.name": "my_app",
        "service.address": "http://localhost:1234/debug/vars",
        "host.name": "host-1",
        "agent.id": "0123456789abcdef",
        "agent.name": "host-1",
        "agent.type": "expvastic",
        "agent.version": "9.9",
        "labels.env": "test",
        "expvar.memstats.Alloc": 2780496,
        "expvar.count": 12,
        "expvar.on": True,
    }


def test_typed_values_are_what_the_document_says() -> None:
    [container] = make().interpret(read(b'{"a":18446744073709551615,"b":0.1,"c":"\\u2028\\n","d":[1,2.5],"e":["x"]}'))

    parsed = document(container)
    assert {value.name: value.value for value in container} == {
        name: parsed[name] for name in parsed if name.startswith("expvar.")
    }
    kinds = [Kind.INTEGER, Kind.FLOAT, Kind.STRING, Kind.FLOAT_LIST, Kind.STRING_LIST]
    assert [value.kind for value in container] == kinds
    assert b"\n" not in container.document


def test_a_page_with_nothing_to_ship_gives_no_container() -> None:
    interpreter = make()

    assert interpreter.interpret(read(b'{"a":null,"b":{}}')) == []
    assert dict(interpreter.left_out) == {("expvar.a", "null"): 1, ("expvar.b", "empty_object"): 1}


def test_a_broken_page_of_several_gives_none_and_leaves_no_trace() -> None:
    interpreter = make()

    with pytest.raises(InvalidPayload):
        interpreter.interpret(Reading(NOON, 1, (Page({"a": 1}, "x"), Page(b"[", "x"))))

    assert interpreter.containers == 0


def test_each_page_of_a_reading_has_its_own_labels_and_dataset() -> None:
    pages = (Page({"a": 1}, "process"), Page({"a": 2}, "recorder", {"recorder": "es"}))

    first, second = map(document, make(tags={"env": "x"}).interpret(Reading(NOON, 1, pages)))

    assert (first["event.dataset"], second["event.dataset"]) == ("process", "recorder")
    assert second["labels.recorder"] == "es"
    assert second["labels.env"] == "x"
    assert "labels.recorder" not in first
    assert first["@timestamp"] == second["@timestamp"]


def test_cmdline_is_not_shipped_unless_asked_for() -> None:
    interpreter = make()

    [container] = interpreter.interpret(read(b'{"cmdline":["app","-password","x"],"a":1}'))

    assert names(container) == ("expvar.a",)
    assert dict(interpreter.left_out) == {("expvar.cmdline", "not_asked_for"): 1}


@pytest.mark.parametrize(
    ("page", "shipped"),
    [
        (b'{"cmdline":["app","-password","x"]}', ["app", "-password", "***"]),
        (b'{"cmdline":"app -password x"}', "app -password ***"),
    ],
)
def test_an_asked_for_cmdline_is_masked(page: bytes, shipped: object) -> None:
    [container] = make(cmdline=True).interpret(read(page))

    assert document(container)["expvar.cmdline"] == shipped
    assert [value.value for value in container] == [shipped]


def test_an_empty_prefix_puts_names_at_the_top_and_shelters_reserved_ones() -> None:
    page = {"count": 1, "host": {"name": "evil"}, "@timestamp": "x", "_id": "y", "service": 3, "": 4}

    [container] = make(prefix="").interpret(read(page))

    parsed = document(container)
    assert parsed["count"] == 1
    assert parsed["host.name"] == "host-1"
    assert parsed["@timestamp"] == "2026-11-21T12:00:00.000000Z"
    sheltered = {"expvar.host.name": "evil", "expvar.@timestamp": "x", "expvar._id": "y", "expvar.service": 3}
    assert sheltered.items() <= parsed.items()


@pytest.mark.parametrize("prefix", ["host", "service.x", "_x", "@timestamp"])
def test_a_prefix_with_a_meaning_of_its_own_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="meaning of its own"):
        InterpreterSettings(prefix=prefix)


def test_times_rise_strictly_when_the_clock_stands_still() -> None:
    interpreter = make()

    times = [interpreter.interpret(read(b'{"a":1}'))[0].time for _ in range(3)]

    assert times == [NOON // 1000, NOON // 1000 + 1, NOON // 1000 + 2]


def test_a_short_step_back_of_the_clock_is_bridged() -> None:
    interpreter = make(interval=10.0)
    [first] = interpreter.interpret(read(b'{"a":1}'))

    [second] = interpreter.interpret(read(b'{"a":1}', NOON - 9_999_000_000))

    assert second.time == first.time + 1
    assert interpreter.clock_steps == 0


def test_a_long_step_back_of_the_clock_is_believed_counted_and_marked() -> None:
    interpreter = make(interval=10.0)
    interpreter.interpret(read(b'{"a":1}'))

    [stepped] = interpreter.interpret(read(b'{"a":1}', NOON - 3_600_000_000_000))
    [after] = interpreter.interpret(read(b'{"a":1}', NOON - 3_590_000_000_000))

    assert stepped.time == NOON // 1000 - 3_600_000_000
    assert document(stepped)["event.action"] == "clock-stepped-back"
    assert "event.action" not in document(after)
    assert interpreter.clock_steps == 1


def test_ids_sort_by_time_and_are_never_given_out_twice() -> None:
    one, other = make(), make()
    containers = [
        interpreter.interpret(read(b'{"a":1}', NOON + step * 1_000_000))[0]
        for step in range(200)
        for interpreter in (one, other)
    ]

    ids = [container.id for container in containers]
    assert len(set(ids)) == 400
    prefixes = [found.partition("-")[0] for found in ids]
    assert prefixes == sorted(prefixes)


def test_names_left_out_are_counted_within_bounds() -> None:
    interpreter = make()

    interpreter.interpret(read({"a": 1, **{f"n{number}": None for number in range(5_000)}}))

    assert len(interpreter.left_out) <= 1_001
    assert interpreter.left_out.total() == 5_000


def test_values_are_counted_by_kind() -> None:
    interpreter = make()

    interpreter.interpret(read(b'{"a":1,"b":2,"c":0.5,"d":"x"}'))

    assert dict(interpreter.kinds) == {Kind.INTEGER: 2, Kind.FLOAT: 1, Kind.STRING: 1}


@pytest.mark.parametrize(
    ("time", "spelled"),
    [(1_000_000, "1970-01-01T00:00:01.000000Z"), (1_795_262_400_000_001, "2026-11-21T12:00:00.000001Z")],
)
def test_timestamps_have_six_decimals(time: int, spelled: str) -> None:
    [container] = make().interpret(read(b'{"a":1}', time=time * 1_000))

    assert document(container)["@timestamp"] == spelled


def test_the_weight_of_containers_is_what_they_cost_in_memory() -> None:
    ring = b"[" + b",".join(b"%d" % (10**18 + number) for number in range(256)) + b"]"
    pages = [
        b'{"memstats":{%b,"PauseNs":%b},"text":"%b"}'
        % (b",".join(b'"n%d":%d' % (number, 10**12 + step * 64 + number) for number in range(60)), ring, b"x" * 300)
        for step in range(200)
    ]
    interpreter = make()
    interpreter.interpret(read(pages[0]))
    gc.collect()
    tracemalloc.start()

    kept = [interpreter.interpret(read(page)) for page in pages]

    gc.collect()
    cost, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    weight = sum(container.weight for containers in kept for container in containers)
    assert 0.9 < weight / cost < 1.3


def go_page(collections: int, **memstats: Any) -> bytes:
    ends = [0] * 256
    durations = [0] * 256
    for number in range(max(1, collections - 255), collections + 1):
        ends[(number - 1) % 256] = NOON + number * 10**9 + 123_456
        durations[(number - 1) % 256] = 1_000 + number
    told = {"NumGC": collections, "Mallocs": collections, "PauseNs": durations, "PauseEnd": ends, **memstats}
    return json.dumps({"cmdline": ["app"], "memstats": told}).encode()


def test_a_go_page_ships_each_pause_once_and_its_restart_is_marked() -> None:
    interpreter = make(go_runtime=True)
    pages = [go_page(10), go_page(12), go_page(12), go_page(3)]

    first, second, third, fourth = (document(interpreter.interpret(read(page))[0]) for page in pages)

    assert first["expvar.memstats.PausesBefore"] == 10
    assert second["expvar.memstats.PauseNs"] == [1_011, 1_012]
    assert "expvar.memstats.PauseNs" not in third
    assert fourth["expvar.memstats.PauseNs"] == [1_001, 1_002, 1_003]
    assert [found.get("event.action") for found in (first, second, third, fourth)] == [None, None, None, "restarted"]
    assert interpreter.restarts == 1
    assert interpreter.take_news() == [("target restarted", {"life": "restarted", "pauses": 3, "lost": 0})]
    assert interpreter.take_news() == []


def test_pauses_have_a_kind_of_their_own() -> None:
    interpreter = make(go_runtime=True)
    interpreter.interpret(read(go_page(1)))

    [container] = interpreter.interpret(read(go_page(2)))

    kinds = {value.name: value.kind for value in container}
    assert kinds["expvar.memstats.PauseNs"] is kinds["expvar.memstats.PauseEnd"] is Kind.GC_LIST


def test_gc_events_are_documents_of_their_own_with_ids_that_can_be_told_again() -> None:
    containers = []
    for _ in range(2):
        interpreter = make(go_runtime=True, gc_events=True)
        interpreter.interpret(read(go_page(1)))
        containers.append(interpreter.interpret(read(go_page(3)))[1:])

    first, again = containers
    assert [container.id for container in first] == [container.id for container in again]
    assert document(first[0]) == {
        **{name: value for name, value in document(again[0]).items() if name.startswith(("agent", "host", "service"))},
        "@timestamp": "2026-11-21T12:00:02.000123Z",
        "event.duration": 1_002,
        "event.action": "gc",
        "event.dataset": "expvar.gc",
        "expvar.gc.number": 2,
        "expvar.gc.end_ns": NOON + 2 * 10**9 + 123_456,
        "expvar.gc.pause_ns": 1_002,
    }


def test_a_goal_of_a_collector_that_is_switched_off_is_left_out_and_counted() -> None:
    interpreter = make(go_runtime=True)

    [container] = interpreter.interpret(read(go_page(1, NextGC=2**64 - 1)))

    assert "expvar.memstats.NextGC" not in names(container)
    assert interpreter.left_out[("expvar.memstats.NextGC", "no_next_gc")] == 1


def test_where_pages_are_not_gos_the_rings_are_lists_like_others() -> None:
    [container] = make(go_runtime=False).interpret(read(go_page(1)))

    assert len(document(container)["expvar.memstats.PauseNs"]) == 256


def test_a_value_left_out_for_an_unusual_reason_is_told_once() -> None:
    interpreter = make()
    for _ in range(3):
        interpreter.interpret(read(b'{"a":NaN,"b":null,"c":1}'))

    assert interpreter.take_news() == [("value left out", {"name": "expvar.a", "reason": "not_finite"})]
    assert interpreter.left_out[("expvar.a", "not_finite")] == 3


def test_not_more_kinds_of_trouble_are_told_than_anybody_reads() -> None:
    interpreter = make()
    page = {f"n{number}": float("nan") for number in range(500)}

    interpreter.interpret(read(page))

    assert len(interpreter.take_news()) <= 50


def test_a_sheltered_name_that_meets_another_yields_one_result() -> None:
    [container] = make(prefix="").interpret(read(b'{"expvar":1,"host":{"x":2},"c":3}'))

    assert names(container) == ("expvar.host.x", "c")


def test_rates_stand_beside_their_counters_and_are_absent_across_a_restart() -> None:
    interpreter = make(go_runtime=True, rates="counters")
    pages = [go_page(10), go_page(30), go_page(3), go_page(5)]

    documents = [
        document(interpreter.interpret(read(page, NOON + step * 2 * 10**9))[0]) for step, page in enumerate(pages)
    ]

    rates = [found.get("expvar.memstats.Mallocs_per_second") for found in documents]
    assert rates == [None, 10.0, None, 1.0]


def test_rates_of_other_pages_are_their_own() -> None:
    interpreter = make(rates="count")
    pages = [{"count": 0}, {"count": 100}, {"count": 10}, {"count": 100}]

    made = [
        interpreter.interpret(Reading(NOON + step // 2 * 10**9, 1, (Page(page, "x", {"n": str(step % 2)}),)))[0]
        for step, page in enumerate(pages)
    ]

    assert [document(found).get("expvar.count_per_second") for found in made] == [None, None, 10.0, 0.0]


def test_size_classes_are_told_as_news_where_that_is_asked_for() -> None:
    interpreter = make(go_runtime=True, by_size=True)
    tables = [[{"Size": 8, "Mallocs": count, "Frees": 1}] for count in (5, 9)]

    documents = [document(interpreter.interpret(read(go_page(1, BySize=table)))[0]) for table in tables]

    assert [found.get("expvar.memstats.BySize.8.Mallocs") for found in documents] == [None, 4]
    assert ("expvar.memstats.BySize", "array_of_objects") not in interpreter.left_out


def test_a_page_of_huge_names_is_not_remembered() -> None:
    interpreter = make()
    for step in range(50):
        interpreter.interpret(read({f"{step}" + "x" * 100_000: 1, "a": 1}))

    assert len(interpreter._columns._flattener._names["expvar"]) == 1
    assert max(len(name) for name, _ in interpreter.left_out) < 600


WORKED_EXAMPLE = b"""{"memstats":{"Alloc":2780496,"EnableGC":true,"PauseNs":[1500,0,999]},"cmdline":["a"],
    "count":12,"mix":[1,"x",3],"e":[]}"""


def shipped(container: Container) -> dict[str, Any]:
    """A document without what expvastic says of itself."""
    own = ("@timestamp", "event.", "service.", "host.", "agent.")
    return {name: value for name, value in document(container).items() if not name.startswith(own)}


def test_the_classic_preset_gives_the_ancestors_documents() -> None:
    """The ancestor's own worked example; what differs repairs it: D10 (exact numbers), D15 (nothing invented)."""
    interpreter = make(mapping="classic")

    [container] = interpreter.interpret(read(WORKED_EXAMPLE))

    assert shipped(container) == {
        "memstats.Alloc": 2780496 / 2**20,
        "memstats.EnableGC": True,
        "memstats.PauseNs": [1, 0],
        "count": 12,
    }
    assert round(document(container)["memstats.Alloc"], 6) == 2.651688
    kinds = {value.name: value.kind for value in container}
    assert (kinds["memstats.Alloc"], kinds["memstats.PauseNs"]) == (Kind.MEGABYTE, Kind.GC_LIST)
    assert interpreter.left_out[("mix", "mixed_array")] == 1


def test_a_mapping_gives_units_by_name() -> None:
    [container] = make(mapping={"memory_bytes": {"memstats.sys": "kb", "Heap": "b"}}).interpret(
        read(b'{"memstats":{"Sys":2048,"Alloc":4096},"x":{"heap":18446744073709551615}}')
    )

    assert shipped(container) == {
        "expvar.memstats.Sys": 2.0,
        "expvar.memstats.Alloc": 4096,
        "expvar.x.heap": 2**64 - 1,
    }


def test_values_are_selected_and_renamed_by_the_pages_own_names() -> None:
    interpreter = make(include="memstats.* count", exclude="memstats.Sys", rename={"count": "requests.total"})

    [container] = interpreter.interpret(read(b'{"memstats":{"Sys":1,"Alloc":2},"count":3,"other":4}'))

    assert shipped(container) == {"expvar.memstats.Alloc": 2, "expvar.requests.total": 3}


def test_a_part_of_a_path_becomes_a_label() -> None:
    interpreter = make(dimension=[{"match": "routes.*.count", "label": "route"}], tags={"env": "x"})

    page = b'{"routes":{"/home":{"count":1},"/a.b":{"count":2}},"up":true}'
    first, *rows = interpreter.interpret(read(page))

    assert shipped(first) == {"labels.env": "x", "expvar.up": True}
    assert [shipped(row) for row in rows] == [
        {"labels.env": "x", "labels.route": "/home", "expvar.routes.count": 1},
        {"labels.env": "x", "labels.route": "/a.b", "expvar.routes.count": 2},
    ]
    assert len({container.id for container in (first, *rows)}) == 3


def test_a_map_of_more_keys_than_a_document_may_have_can_become_labels() -> None:
    interpreter = make(dimension=[{"match": "users.*", "label": "user"}], limits={"keys": 100})

    made = interpreter.interpret(read({"users": {f"u{number}": 1 for number in range(1_500)}, "a": 1}))

    assert len(made) == 1 + 1_000 + 1
    assert sum(document(row)["expvar.users"] for row in made[1:]) == 1_500


def test_unchanged_values_are_shipped_again_after_their_age_or_a_restart() -> None:
    interpreter = make(drop_unchanged={"max_age": "60s"}, go_runtime=True)
    pages = [go_page(5, Alloc=1), go_page(5, Alloc=1), go_page(5, Alloc=2), go_page(2, Alloc=2)]

    made = [interpreter.interpret(read(page, NOON + step * 10**9)) for step, page in enumerate(pages)]

    assert "expvar.memstats.Alloc" in names(made[0][0])
    assert made[1] == [] or names(made[1][0]) == ("expvar.memstats.PausesBefore",)
    assert names(made[2][0]) == ("expvar.memstats.Alloc",)
    assert set(names(made[3][0])) >= {"expvar.memstats.Alloc", "expvar.memstats.NumGC"}


@pytest.mark.parametrize("page", [b'{"cmdline":{"a":"secret"},"b":1}', b'{"cmdline.a":"secret","b":1}'])
@pytest.mark.parametrize("asked_for", [True, False])
def test_what_is_no_command_line_is_not_shipped_under_its_name(page: bytes, asked_for: bool) -> None:
    interpreter = make(cmdline=asked_for)

    [container] = interpreter.interpret(read(page))

    assert names(container) == ("expvar.b",)
    assert interpreter.left_out[("expvar.cmdline", "not_a_command_line")] == 1
