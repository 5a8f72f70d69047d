from expvastic.datatypes import Kind
from expvastic.pages import tally
from expvastic.pages.tally import Form, Tally

FORM = Form(bytes([Kind.INTEGER, Kind.INTEGER, Kind.STRING]), (("a", "null"), ("b", "mixed_array")))


def test_pages_of_one_form_are_counted_like_pages_that_are_counted_one_by_one() -> None:
    by_form, by_hand = Tally(), Tally()

    for _ in range(5):
        by_form.count(FORM)
        by_hand.count_column(FORM.kinds)
        for name, reason in FORM.left_out:
            by_hand.leave_out(name, reason)

    for _ in range(2):  # asking changes nothing
        assert by_form.containers == by_hand.containers == 5
        assert by_form.kinds == by_hand.kinds == {Kind.INTEGER: 10, Kind.STRING: 5}
        assert by_form.left_out == by_hand.left_out == {("a", "null"): 5, ("b", "mixed_array"): 5}
    assert by_form.news == by_hand.news == [("value left out", {"name": "b", "reason": "mixed_array"})]


def test_more_forms_than_are_kept_are_counted_all_the_same() -> None:
    counted = Tally()
    forms = [Form(bytes([Kind.FLOAT]), ((f"n{number}", "null"),)) for number in range(3 * tally._FORMS_KEPT)]

    for form in forms * 3:
        counted.count(form)

    assert counted.containers == 9 * tally._FORMS_KEPT
    assert counted.kinds == {Kind.FLOAT: 9 * tally._FORMS_KEPT}
    assert set(counted.left_out.values()) == {3}
    assert len(counted._forms) <= tally._FORMS_KEPT


def test_names_above_the_bound_are_counted_together() -> None:
    counted = Tally()
    for number in range(tally._NAMES_COUNTED - 1):
        counted.leave_out(f"n{number}", "null")

    for _ in range(3):
        counted.count(FORM)

    assert counted.left_out["a", "null"] == 3
    assert counted.left_out["_other", "mixed_array"] == 3


def test_of_many_names_few_are_told() -> None:
    counted = Tally()

    for number in range(2 * tally._NAMES_TOLD):
        counted.leave_out(f"n{number}", "mixed_array")

    assert len(counted.news) == tally._NAMES_TOLD


def test_kinds_are_counted_beyond_the_columns_that_are_kept() -> None:
    counted = Tally()

    for number in range(2 * tally._COLUMNS_KEPT):
        counted.count_column(bytes([Kind.FLOAT]) * number)

    assert counted.kinds == {Kind.FLOAT: sum(range(2 * tally._COLUMNS_KEPT))}
    assert len(counted._columns) <= tally._COLUMNS_KEPT + 1
