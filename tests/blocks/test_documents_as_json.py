"""Documents as JSON: masked, compared, validated and searched for references without their classes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typecase.blocks.documents import (
    compare_documents,
    find_inline,
    find_references,
    mask_document,
    pin_inline,
    replace_references,
    validate_document,
)
from typecase.blocks.dumping import unescape
from typecase.blocks.errors import InvalidCursor, InvalidDocument
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.paging import limited, read_cursor, read_number_cursor, write_cursor
from typecase.blocks.schema import definition_of
from typecase.blocks.testing.samples import LOGIN, SECRET, SECRETS_EVERYWHERE, Pipeline, register_samples

MASKED = {"$secret": {"set": True, "source": "literal"}}
SCHEMA = definition_of(Pipeline).schema


@pytest.fixture
def schema_of():
    registry = MemoryRegistry()
    register_samples(registry)
    return registry._state.version


def test_masking_keeps_what_is_not_secret(schema_of):
    plain = {"size": 3, "login": {"$type": LOGIN, "$version": 1, "user": "x"}, "steps": {"a": [{"name": "b"}]}}
    assert mask_document(plain, SCHEMA, schema_of=schema_of) == plain


def test_masking_leaves_no_secret(schema_of):
    shown = json.dumps(mask_document(SECRETS_EVERYWHERE, SCHEMA, schema_of=schema_of), ensure_ascii=False)
    assert SECRET[:10] not in shown
    assert shown.count("literal") == 8


def test_masking_changes_nothing_in_what_it_is_given(schema_of):
    before = json.dumps(SECRETS_EVERYWHERE)
    mask_document(SECRETS_EVERYWHERE, SCHEMA, schema_of=schema_of)
    assert json.dumps(SECRETS_EVERYWHERE) == before


def test_an_inline_block_is_masked_by_its_own_schema(schema_of):
    data = {"blocks": {"a": {"$type": LOGIN, "password": SECRET}}}
    shown = mask_document(data, SCHEMA, schema_of=schema_of)
    assert shown["blocks"]["a"]["password"] == MASKED


def changes(before, after, schema_of):
    found = compare_documents(before, after, schema_before=SCHEMA, schema_after=SCHEMA, schema_of=schema_of)
    return [(change.path, change.action, change.before, change.after) for change in found]


def test_a_difference_is_as_deep_as_it_can_be(schema_of):
    before = {"steps": {"a": [{"name": "x"}, {"name": "y"}]}}
    after = {"steps": {"a": [{"name": "x"}, {"name": "z"}], "b": []}}
    assert changes(before, after, schema_of) == [
        ("steps.a.1.name", "changed", "y", "z"),
        ("steps.b", "added", None, []),
    ]


def test_what_is_added_or_removed_is_masked(schema_of):
    added = changes({}, {"step": {"name": "a", "token": SECRET}}, schema_of)
    assert added == [("step", "added", None, {"name": "a", "token": MASKED})]
    assert changes({"step": {"token": SECRET}}, {}, schema_of) == [("step", "removed", {"token": MASKED}, None)]


def test_a_difference_between_numbers_and_booleans_is_one(schema_of):
    assert changes({"size": 1}, {"size": True}, schema_of) == [("size", "changed", 1, True)]


def test_a_secret_that_becomes_null_is_a_change_without_values(schema_of):
    assert changes({"either": SECRET}, {"either": None}, schema_of) == [("either", "changed", None, None)]


@pytest.mark.parametrize(
    "data", [{}, SECRETS_EVERYWHERE, {"login": {"$block": "x"}}, {"keys": {"$$block": "x"}}, {"login": None}]
)
def test_a_document_that_fits_is_taken(data, schema_of):
    assert validate_document(data, SCHEMA, schema_of=schema_of) is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"size": 0}, ("size", "minimum", "must be at least 1")),
        ({"size": None}, ("size", "type", "must be of type integer")),
        ({"nothing": 1}, ("nothing", "additionalProperties", "is not a field of this type")),
        (
            {"login": {"$type": LOGIN, "nothing": 1}},
            ("login.nothing", "additionalProperties", "is not a field of this type"),
        ),
        ({"size": {"$block": "x"}}, ("size", "type", "must be of type integer")),
    ],
)
def test_a_problem_names_path_rule_and_sentence(data, problem, schema_of):
    with pytest.raises(InvalidDocument) as raised:
        validate_document(data, SCHEMA, schema_of=schema_of)
    assert problem in raised.value.problems
    assert problem[2] in str(raised.value)


def test_a_problem_with_a_secret_does_not_show_it(schema_of):
    with pytest.raises(InvalidDocument) as raised:
        validate_document({"tokens": [[SECRET]], "keys": SECRET, "pair": [SECRET]}, SCHEMA, schema_of=schema_of)
    assert SECRET[:10] not in f"{raised.value!r} {raised.value} {vars(raised.value)}"


def test_every_problem_is_told_at_once(schema_of):
    with pytest.raises(InvalidDocument) as raised:
        validate_document({"size": 0, "a": 1, "b": 1, "keys": 1}, SCHEMA, schema_of=schema_of)
    assert {path for path, _, _ in raised.value.problems} == {"size", "a", "b", "keys"}


def test_references_are_found_by_json_pointer():
    data = {"a": {"$block": "x"}, "b/c": [{"$block": "y"}], "d~": {"e": {"$block": "z"}}, "f": {"$$block": "no"}}
    assert list(find_references(data)) == [("/a", "x"), ("/b~1c/0", "y"), ("/d~0/e", "z")]


def test_replacing_references_leaves_the_rest():
    data = {"a": {"$block": "x"}, "b": [1, {"$block": "y"}]}
    shown = replace_references(data, lambda path, target: f"{path}={target}")
    assert shown == {"a": {"$block": "/a=x"}, "b": [1, {"$block": "/b/1=y"}]}


def test_inline_blocks_are_found_outer_first():
    data = {"a": {"$type": "one", "$version": 2, "b": {"$type": "two", "c": 1}}}
    found = [(path, slug, version) for path, slug, version, _ in find_inline(data)]
    assert found == [("/a", "one", 2), ("/a/b", "two", None)]


def test_pinning_writes_the_newest_version_where_none_is_named(schema_of):
    data = {"a": {"$type": LOGIN, "user": "x"}, "b": [{"$type": LOGIN, "$version": 1}]}
    pinned = pin_inline(data, schema_of)
    assert pinned == {"a": {"$type": LOGIN, "user": "x", "$version": 1}, "b": [{"$type": LOGIN, "$version": 1}]}


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(st.text("$a"), inner) | st.lists(inner)))
def test_doubling_dollars_is_undone(data):
    def escape(value):
        if isinstance(value, dict):
            return {"$" + key if key.startswith("$") else key: escape(item) for key, item in value.items()}
        return [escape(item) for item in value] if isinstance(value, list) else value

    assert unescape(escape(data)) == data


@given(st.text())
def test_a_cursor_gives_back_its_key(key):
    assert read_cursor(write_cursor(key)) == key


@given(st.text())
def test_any_other_text_is_no_cursor(text):
    with pytest.raises(InvalidCursor):
        read_cursor(f"!{text}")


def test_a_cursor_of_names_is_none_of_numbers():
    assert read_number_cursor(write_cursor("12")) == 12
    assert read_number_cursor(None) is None
    for key in ("a", "-1", "1.5", "²"):
        with pytest.raises(InvalidCursor):
            read_number_cursor(write_cursor(key))


@pytest.mark.parametrize(("asked", "given"), [(-1, 1), (0, 1), (1, 1), (1000, 1000), (5000, 1000)])
def test_a_limit_is_kept_within_bounds(asked, given):
    assert limited(asked) == given
