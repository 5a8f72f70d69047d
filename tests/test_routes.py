"""Routes to engines."""

from __future__ import annotations

from expvastic.routes import Names, Route, Unknown, join


def names(text: str) -> Names:
    return Names(text.split())


def route(readers: str, recorders: str) -> Route:
    return Route(readers.split(), recorders.split())


def test_every_reader_of_a_route_goes_to_every_recorder_of_it() -> None:
    routing = join([route("a b", "x y")], names("a b"), names("x y"))

    assert routing.engines == {"a": ("x", "y"), "b": ("x", "y")}


def test_the_three_engines_of_the_ancestors_sample_come_out() -> None:
    routes = [
        route("app_0 app_2", "elastic_1"),
        route("app_0", "elastic_1 elastic_2 elastic_3"),
        route("app_1 app_2", "elastic_1 elastic_0"),
    ]

    routing = join(routes, names("app_0 app_1 app_2"), names("elastic_0 elastic_1 elastic_2 elastic_3"))

    assert dict(routing.engines) == {
        "app_0": ("elastic_1", "elastic_2", "elastic_3"),
        "app_1": ("elastic_1", "elastic_0"),
        "app_2": ("elastic_1", "elastic_0"),
    }


def test_a_pair_that_several_routes_name_counts_once() -> None:
    routing = join([route("a", "x"), route("a a", "x x"), route("a", "y x")], names("a"), names("x y"))

    assert routing.engines == {"a": ("x", "y")}


def test_engines_stand_in_the_order_in_which_readers_are_described() -> None:
    routing = join([route("c", "x"), route("a b", "x")], names("a b c"), names("x"))

    assert list(routing.engines) == ["a", "b", "c"]


def test_recorders_stand_in_the_order_in_which_routes_name_them() -> None:
    routing = join([route("a", "y"), route("a", "x")], names("a"), names("x y"))

    assert routing.engines["a"] == ("y", "x")


def test_what_no_route_names_is_unused() -> None:
    routing = join([route("a", "x")], names("a b"), names("x y"))

    assert (routing.unused_readers, routing.unused_recorders) == (("b",), ("y",))


def test_a_reader_without_recorders_is_unused() -> None:
    routing = join([route("a", "")], names("a"), names("x"))

    assert routing.engines == {}
    assert routing.unused_readers == ("a",)


def test_a_name_is_found_in_any_case_where_that_is_unique() -> None:
    routing = join([route("firstapp", "ES")], names("FirstApp"), names("es"))

    assert routing.engines == {"FirstApp": ("es",)}


def test_the_exact_name_goes_before_one_in_another_case() -> None:
    assert [names("App app").find(name) for name in ("App", "app", "APP")] == ["App", "app", None]


def test_names_that_differ_in_case_alone_are_told() -> None:
    assert names("a App b app APP").alike() == [("App", "app"), ("App", "APP")]


def test_unknown_names_are_told_with_their_places_and_the_others_are_joined() -> None:
    routing = join([route("a", "x"), route("a z", "w x")], names("a"), names("x"))

    assert routing.unknown == (Unknown(1, "recorders", 0, "w"), Unknown(1, "readers", 1, "z"))
    assert routing.engines == {"a": ("x",)}


def test_no_routes_make_no_engines() -> None:
    assert join([], names("a"), names("x")).engines == {}
