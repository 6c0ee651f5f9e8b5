"""The seven modes, the rules beside them, and the version bump they suggest."""

from dataclasses import dataclass

import pytest

from typecase.blocks import Block, BlockType
from typecase.blocks.compatibility import Bump, Mode, Rule, check_mode
from typecase.blocks.schema import definition_of

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
SECRET = {"type": "string", "format": "password", "writeOnly": True}


def model(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


@dataclass(frozen=True)
class Version:
    """As much of a schema version as is compared."""

    schema: dict
    number: int = 0
    kinds: tuple[str, ...] = ("Database",)


def versions(*schemas):
    return [Version(schema, number) for number, schema in enumerate(schemas, start=1)]


def report(*schemas, mode="backward-transitive", **options):
    *earlier, new = schemas
    return check_mode(versions(*earlier), Version(new), mode=mode, **options)


NARROW, WIDE, OTHER = model(a=WHOLE), model(a={"type": "number"}), model(a=TEXT)


@pytest.mark.parametrize(
    ("mode", "compatible"),
    [
        ("none", True),
        ("backward", True),
        ("backward-transitive", False),
        ("forward", False),
        ("forward-transitive", False),
        ("full", False),
        ("full-transitive", False),
    ],
)
def test_each_mode_looks_at_its_own_versions_and_directions(mode, compatible):
    """The newest version is widened; an older one has another type altogether."""
    assert report(OTHER, NARROW, WIDE, mode=mode).compatible is compatible


@pytest.mark.parametrize(
    ("mode", "compatible"), [("forward", True), ("forward-transitive", False), ("backward", False)]
)
def test_narrowing_the_newest_version_is_forward_compatible_with_it_alone(mode, compatible):
    assert report(OTHER, WIDE, NARROW, mode=mode).compatible is compatible


def test_a_difference_says_which_version_it_is_against():
    found = report(OTHER, NARROW, WIDE).breaking

    assert [(difference.version, difference.path, difference.rule) for difference in found] == [
        (1, "$.a", Rule.TYPE_CHANGED)
    ]


def test_a_report_says_what_it_compared_with():
    assert report(OTHER, NARROW, WIDE, mode="backward").compared_with == (2,)
    assert report(OTHER, NARROW, WIDE, mode="full-transitive").compared_with == (1, 2)


def test_the_first_version_is_compatible_with_nothing_before_it():
    first = check_mode([], Version(NARROW), mode="full-transitive")

    assert (first.compatible, first.differences, first.bump) == (True, (), Bump.MINOR)


def test_a_mode_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="sideways"):
        report(NARROW, WIDE, mode="sideways")


def test_the_policy_is_lenient_unless_said_otherwise():
    smaller = model(a=WHOLE)

    assert report(model(a=WHOLE, b=TEXT), smaller).compatible
    assert not report(model(a=WHOLE, b=TEXT), smaller, policy="strict").compatible


def test_a_lost_kind_is_breaking():
    (difference,) = check_mode([Version(NARROW, 1)], Version(NARROW, kinds=())).breaking

    assert (difference.rule, difference.path, difference.version) == (Rule.KIND_LOST, "$", 1)


def test_a_new_kind_is_a_minor_change():
    found = check_mode([Version(NARROW, 1)], Version(NARROW, kinds=("Database", "Notifier")))

    assert (found.compatible, found.bump) == (True, Bump.MINOR)


@pytest.mark.parametrize("mode", Mode)
def test_a_field_that_stops_being_secret_is_refused_in_every_mode(mode):
    found = report(model(a=SECRET), model(a=TEXT), mode=mode).breaking

    assert [(difference.path, difference.rule) for difference in found] == [("$.a", Rule.STOPS_BEING_SECRET)]


def test_a_field_that_becomes_secret_is_flagged_and_allowed():
    found = report(model(a=TEXT), model(a=SECRET))

    assert found.compatible
    assert [(difference.path, difference.rule) for difference in found.differences] == [("$.a", Rule.BECOMES_SECRET)]


@pytest.mark.parametrize(
    ("place", "path"),
    [
        pytest.param(lambda value: model(a={"anyOf": [value, {"type": "null"}]}), "$.a", id="optional"),
        pytest.param(lambda value: model(a={"type": "array", "items": value}), "$.a[*]", id="in a list"),
        pytest.param(lambda value: model(a={"type": "array", "prefixItems": [TEXT, value]}), "$.a[1]", id="in a tuple"),
        pytest.param(lambda value: model(a={"type": "object", "additionalProperties": value}), "$.a.*", id="in a dict"),
        pytest.param(lambda value: model(a=model(b=value)), "$.a.b", id="in a model"),
        pytest.param(
            lambda value: {**model(a={"$ref": "#/$defs/M"}), "$defs": {"M": model(b=value, m={"$ref": "#/$defs/M"})}},
            "$.a.b",
            id="in a recursive model",
        ),
        pytest.param(
            lambda value: model(a={"oneOf": [model(k={"const": 1}, b=value), model(k={"const": 2})]}),
            "$.a.b",
            id="in an alternative",
        ),
    ],
)
def test_a_secret_is_followed_wherever_it_stands(place, path):
    found = report(place(SECRET), place(TEXT), mode="none").breaking

    assert [(difference.path, difference.rule) for difference in found] == [(path, Rule.STOPS_BEING_SECRET)]


def test_a_dict_of_secrets_that_becomes_a_model_with_a_clear_field_is_refused():
    old = model(a={"type": "object", "additionalProperties": SECRET})

    assert [difference.path for difference in report(old, model(a=model(token=TEXT)), mode="none").breaking] == [
        "$.a.token"
    ]


def test_a_secret_model_that_becomes_a_clear_one_is_refused_as_a_whole():
    old = model(a={**model(b=TEXT), "writeOnly": True})

    assert [difference.path for difference in report(old, model(a=model(b=TEXT)), mode="none").breaking] == ["$.a"]


def test_a_secret_that_may_also_hold_anything_is_refused():
    assert not report(model(a=SECRET), model(a={}), mode="none").compatible


def test_a_secret_beside_a_clear_value_of_another_type_stays_secret():
    assert report(model(a=SECRET), model(a={"anyOf": [SECRET, WHOLE]})).compatible


def test_a_secret_field_that_is_removed_is_no_clear_one():
    found = report(model(a=SECRET, b=TEXT), model(b=TEXT))

    assert found.compatible
    assert [(difference.path, difference.rule) for difference in found.differences] == [("$.a", Rule.FIELD_REMOVED)]


def test_fields_and_defaults_that_change_are_told_of_the_newest_version_alone():
    old, newest = model(a=TEXT), model(a=TEXT, b={"type": "integer", "default": 1})
    found = report(old, newest, model(a=TEXT, b={"type": "integer", "default": 2}, c={"type": "null", "default": None}))

    assert [(d.version, d.path, d.rule) for d in found.differences] == [
        (2, "$.b", Rule.DEFAULT_CHANGED),
        (2, "$.c", Rule.FIELD_ADDED),
    ]


@pytest.mark.parametrize(
    ("old", "new", "bump"),
    [
        pytest.param(NARROW, OTHER, Bump.MAJOR, id="breaking"),
        pytest.param(model(a=SECRET), model(a=TEXT), Bump.MAJOR, id="a secret in clear"),
        pytest.param(model(a=TEXT), model(a=TEXT, b=TEXT), Bump.MINOR, id="a field more"),
        pytest.param(NARROW, WIDE, Bump.MINOR, id="a wider type"),
        pytest.param(model(a=TEXT), model(a=SECRET), Bump.MINOR, id="a new secret"),
        pytest.param(model(a=TEXT), model(a={**TEXT, "default": "x"}), Bump.MINOR, id="a new default"),
        pytest.param(NARROW, dict(NARROW), Bump.PATCH, id="equal"),
        pytest.param(model(["a", "b"]), model(["b", "a"]), Bump.PATCH, id="the same in another order"),
    ],
)
@pytest.mark.parametrize("mode", ["none", "backward", "backward-transitive"])
def test_the_bump_follows_from_what_changed(old, new, bump, mode):
    assert report(old, new, mode=mode).bump is bump


def test_whatever_the_mode_refuses_is_a_major_change():
    assert report(NARROW, WIDE, mode="full").bump is Bump.MAJOR


def test_definitions_of_classes_are_compared():
    class Before(Block):
        __block__ = BlockType(slug="compatibility-before")
        port: int = 1

    class After(Block):
        __block__ = BlockType(slug="compatibility-after")
        port: float = 1
        host: str = ""

    before, after = definition_of(Before), definition_of(After)

    assert check_mode([Version(dict(before.schema), 1, before.kinds)], after).compatible
    assert not check_mode([Version(dict(after.schema), 1, after.kinds)], before).compatible
