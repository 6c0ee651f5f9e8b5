"""Schemas made to keep the checker busy: the work is bounded, and the answer is then no."""

import pytest

from typecase.blocks.compatibility import Rule, check_compatibility, check_mode, compare_fields
from typecase.blocks.compatibility.budget import Budget, WorkExceeded

TEXT = {"type": "string"}


def nested(depth, leaf):
    for _ in range(depth):
        leaf = {"type": "object", "properties": {"a": leaf}}
    return leaf


def entangled(names, leaf):
    """Definitions that each refer to all others, by way of alternatives."""
    everyone = [{"$ref": f"#/$defs/D{number}"} for number in range(names)]
    definitions = {
        f"D{number}": {
            "type": "object",
            "properties": {f"p{other}": {"anyOf": everyone} for other in range(names)} | {"leaf": leaf},
        }
        for number in range(names)
    }
    return {"$ref": "#/$defs/D0", "$defs": definitions}


def dependent(count):
    names = [f"n{number}" for number in range(count)]
    return {"type": "object", "dependentRequired": {name: [f"x{name}"] for name in names}}


def multiplied(groups):
    """Alternatives whose combinations are 3 to the power of `groups`."""
    parts = [
        {"anyOf": [{"required": [f"{letter}{number}"], "type": "object"} for letter in "abc"]}
        for number in range(groups)
    ]
    return {"allOf": parts}


def looped(leaf):
    return {
        "$ref": "#/$defs/A",
        "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/B"}, leaf]}, "B": {"allOf": [{"$ref": "#/$defs/A"}]}},
    }


UNDECIDED = [
    pytest.param(nested(3000, TEXT), nested(3000, {"type": "integer"}), id="nested deeply"),
    pytest.param(dependent(20), {"type": "object", "minProperties": 1}, id="many conditions"),
    pytest.param(multiplied(12), {"type": "object", "minProperties": 99}, id="many combinations"),
]


@pytest.mark.parametrize(("old", "new"), UNDECIDED)
def test_too_much_work_is_undecidable(old, new):
    assert [difference.rule for difference in check_compatibility(old, new)] == [Rule.UNDECIDABLE]


@pytest.mark.parametrize("direction", ["backward", "forward"])
@pytest.mark.parametrize("policy", ["lenient", "strict"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        *UNDECIDED,
        pytest.param(entangled(7, TEXT), entangled(7, {"type": "integer"}), id="entangled"),
        pytest.param(entangled(9, TEXT), entangled(8, {"type": ["string", "null"]}), id="entangled and wider"),
        pytest.param(looped(TEXT), looped({"type": "integer"}), id="a circle without a value in between"),
    ],
)
def test_no_pair_takes_more_steps_than_it_may(old, new, direction, policy):
    """The budget is what bounds the work, so the answer comes back, and it is never an unfounded yes."""
    assert check_compatibility(old, new, direction=direction, policy=policy, steps=2_000)


def test_a_larger_budget_decides_more():
    old, new = nested(20, {"type": "integer"}), nested(20, {"type": "number"})

    assert [difference.rule for difference in check_compatibility(old, new, steps=10)] == [Rule.UNDECIDABLE]
    assert check_compatibility(old, new) == ()


def test_fields_of_schemas_that_are_too_deep_are_not_compared():
    assert [difference.rule for difference in compare_fields(nested(3000, TEXT), nested(3000, TEXT))] == [
        Rule.UNDECIDABLE
    ]


def test_a_wide_schema_is_decided():
    fields = {f"field{number}": {"anyOf": [TEXT, {"type": "null"}], "default": None} for number in range(300)}
    old = {"type": "object", "properties": fields, "additionalProperties": False}
    new = {"type": "object", "properties": {**fields, "more": TEXT}, "additionalProperties": False}

    assert check_compatibility(old, new) == ()


def test_a_long_enum_is_decided():
    old, new = ({"enum": [f"country {number}" for number in range(count)]} for count in (900, 1000))

    assert check_compatibility(old, new) == ()
    assert [difference.rule for difference in check_compatibility(new, old)] == [Rule.VALUE_REMOVED]


def test_a_budget_that_is_spent_says_so():
    with pytest.raises(WorkExceeded):
        Budget(steps=1).step(2)


def test_a_report_on_something_undecidable_is_not_compatible():
    class Version:
        number = 1
        kinds = ()

        def __init__(self, schema):
            self.schema = schema

    assert not check_mode([Version(dependent(20))], Version({"type": "object", "minProperties": 1})).compatible
