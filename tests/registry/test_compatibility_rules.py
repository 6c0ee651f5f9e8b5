"""Each rule of the compatibility checker: what it finds, where, and what it lets pass."""

import json

import pytest

from typecase.blocks.compatibility import Direction, Rule, check_compatibility
from typecase.blocks.errors import InvalidBlockType

OBJECT = {"type": "object"}
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}
LIST = {"type": "array"}


def model(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


def found(old, new, **options):
    options.setdefault("policy", "strict")
    return [(difference.path, difference.rule.value) for difference in check_compatibility(old, new, **options)]


NARROWED = [
    ("a type changes", TEXT, NUMBER, "type-changed"),
    ("a number becomes whole", NUMBER, WHOLE, "type-changed"),
    ("a type leaves a list of types", {"type": ["string", "null"]}, TEXT, "type-changed"),
    ("null leaves an optional field", {"anyOf": [TEXT, {"type": "null"}]}, TEXT, "type-changed"),
    ("a value leaves an enum", {"enum": ["a", "b"]}, {"enum": ["a"]}, "value-removed"),
    ("any text becomes an enum", TEXT, {"type": "string", "enum": ["a"]}, "value-removed"),
    ("a constant changes", {"const": "a"}, {"const": "b"}, "value-removed"),
    ("a typed constant changes", {"const": "a", "type": "string"}, {"const": "b", "type": "string"}, "value-removed"),
    ("true is not 1", {"const": True}, {"const": 1}, "value-removed"),
    (
        "a typed enum loses a value",
        {"type": "integer", "enum": [1, 2]},
        {"type": "integer", "enum": [1]},
        "value-removed",
    ),
    ("a minimum comes", WHOLE, {"type": "integer", "minimum": 1}, "minimum-raised"),
    ("a minimum rises", {"type": "number", "minimum": 0}, {"type": "number", "minimum": 1}, "minimum-raised"),
    (
        "a minimum becomes exclusive",
        {"type": "number", "minimum": 0},
        {"type": "number", "exclusiveMinimum": 0},
        "minimum-raised",
    ),
    ("a maximum falls", {"type": "number", "maximum": 9}, {"type": "number", "maximum": 8}, "maximum-lowered"),
    (
        "a maximum becomes exclusive",
        {"type": "number", "maximum": 9},
        {"type": "number", "exclusiveMaximum": 9},
        "maximum-lowered",
    ),
    ("multipleOf comes", WHOLE, {"type": "integer", "multipleOf": 2}, "multiple-of-changed"),
    (
        "multipleOf becomes coarser",
        {"type": "integer", "multipleOf": 2},
        {"type": "integer", "multipleOf": 4},
        "multiple-of-changed",
    ),
    (
        "fractions are rounded",
        {"type": "number", "multipleOf": 0.2},
        {"type": "number", "multipleOf": 0.1},
        "multiple-of-changed",
    ),
    ("minLength rises", TEXT, {"type": "string", "minLength": 1}, "min-length-raised"),
    ("maxLength falls", {"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 8}, "max-length-lowered"),
    ("a pattern comes", TEXT, {"type": "string", "pattern": "^a"}, "pattern-changed"),
    ("a pattern changes", {"type": "string", "pattern": "^ab"}, {"type": "string", "pattern": "^a"}, "pattern-changed"),
    ("a format comes", TEXT, {"type": "string", "format": "uuid"}, "format-changed"),
    ("a format changes", {"type": "string", "format": "date"}, {"type": "string", "format": "uuid"}, "format-changed"),
    (
        "an encoding changes",
        {"type": "string", "contentEncoding": "base64"},
        {"type": "string", "contentEncoding": "base32"},
        "content-changed",
    ),
    (
        "the schema of content changes",
        {"type": "string", "contentSchema": WHOLE},
        {"type": "string", "contentSchema": TEXT},
        "content-changed",
    ),
    ("minItems rises", LIST, {"type": "array", "minItems": 1}, "min-items-raised"),
    ("maxItems falls", {"type": "array", "maxItems": 2}, {"type": "array", "maxItems": 1}, "max-items-lowered"),
    ("items become unique", LIST, {"type": "array", "uniqueItems": True}, "unique-items-added"),
    ("contains comes", LIST, {"type": "array", "contains": TEXT}, "contains-changed"),
    (
        "maxContains falls",
        {"type": "array", "contains": TEXT, "maxContains": 2},
        {"type": "array", "contains": TEXT, "maxContains": 1},
        "contains-changed",
    ),
    ("minProperties rises", OBJECT, {"type": "object", "minProperties": 1}, "min-properties-raised"),
    (
        "maxProperties falls",
        {"type": "object", "maxProperties": 3},
        {"type": "object", "maxProperties": 2},
        "max-properties-lowered",
    ),
    (
        "no alternative is left",
        {"anyOf": [{"minimum": 3}, {"maximum": 1}], "type": "integer"},
        {"anyOf": [{"minimum": 4}, {"maximum": 0}], "type": "integer"},
        "no-alternative",
    ),
    ("alternatives overlap", TEXT, {"oneOf": [TEXT, {"type": "string", "maxLength": 3}]}, "alternatives-overlap"),
    ("something is excluded", {}, {"not": TEXT}, "excluded"),
    ("nothing is accepted", TEXT, False, "nothing-accepted"),
    ("unevaluatedProperties comes", OBJECT, {"type": "object", "unevaluatedProperties": False}, "undecidable"),
    ("a reference leads nowhere", TEXT, {"$ref": "#/$defs/Missing"}, "undecidable"),
    ("a reference leads elsewhere", TEXT, {"$ref": "https://example.com/schema"}, "undecidable"),
    ("a reference leads to itself", TEXT, {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "undecidable"),
    ("a dynamic reference comes", TEXT, {"$dynamicRef": "#a"}, "undecidable"),
]


@pytest.mark.parametrize(("old", "new", "rule"), [pytest.param(*case[1:], id=case[0]) for case in NARROWED])
def test_narrowing_is_found_by_its_rule(old, new, rule):
    assert {name for _, name in found(old, new)} == {rule}


@pytest.mark.parametrize(("old", "new", "rule"), [pytest.param(*case[1:], id=case[0]) for case in NARROWED])
def test_a_rule_finds_the_same_in_a_field_in_a_list_and_in_a_dict(old, new, rule):
    def nested(schema):
        inner = dict(schema) if isinstance(schema, dict) else {"allOf": [schema]}
        definitions = inner.pop("$defs", {})
        return {"$defs": definitions, **model(a={"type": "array", "items": {"additionalProperties": inner, **OBJECT}})}

    # What is excluded one level down has a path of its own too.
    assert {(path, name) for path, name in found(nested(old), nested(new))} == {("$.a[*].*", rule)}


WIDENED = [
    ("nothing changes", model(a=TEXT), model(a=TEXT)),
    ("titles and descriptions change", {"type": "string", "title": "A"}, {"type": "string", "description": "b"}),
    ("whole numbers become numbers", WHOLE, NUMBER),
    ("a field becomes optional", TEXT, {"anyOf": [TEXT, {"type": "null"}]}),
    ("an enum grows", {"enum": ["a"]}, {"enum": ["b", "a"]}),
    ("a constant becomes an enum", {"const": 1}, {"enum": [1.0, 2]}),
    ("all listed values fit", {"enum": [1, 2]}, {"type": "integer", "minimum": 1, "maximum": 2}),
    ("booleans are two values", {"type": "boolean"}, {"enum": [True, False]}),
    ("a short range is a list of values", {"type": "integer", "minimum": 1, "maximum": 3}, {"enum": [1, 2, 3]}),
    ("a coarser multiple was there", {"type": "integer", "multipleOf": 6}, {"type": "integer", "multipleOf": 3}),
    ("multiples of a whole number are whole", {"type": "number", "multipleOf": 2}, WHOLE),
    (
        "exclusive bounds of whole numbers",
        {"type": "integer", "exclusiveMinimum": 0},
        {"type": "integer", "minimum": 1},
    ),
    ("a format goes", {"type": "string", "format": "date-time"}, TEXT),
    ("a format that refuses nothing comes", TEXT, {"type": "string", "format": "password"}),
    ("a uuid4 is a uuid", {"type": "string", "format": "uuid4"}, {"type": "string", "format": "uuid"}),
    ("listed texts match the pattern", {"enum": ["ab", "ac"]}, {"type": "string", "pattern": "^a"}),
    ("a pattern that matches everything comes", TEXT, {"type": "string", "pattern": ".*"}),
    (
        "a tuple becomes a list",
        {"type": "array", "prefixItems": [WHOLE, TEXT], "items": False},
        {"type": "array", "items": {"type": ["integer", "string"]}},
    ),
    (
        "a longer tuple was never written",
        {"type": "array", "prefixItems": [TEXT], "maxItems": 1},
        {"type": "array", "prefixItems": [TEXT, WHOLE]},
    ),
    (
        "contains is assured by the items",
        {"type": "array", "items": WHOLE, "minItems": 1},
        {"type": "array", "contains": NUMBER},
    ),
    ("required is lifted", model(["a"], a=TEXT), model(a=TEXT)),
    (
        "a pattern of names goes",
        {"type": "object", "patternProperties": {"^a": TEXT, "^b": WHOLE}},
        {"type": "object", "patternProperties": {"^a": TEXT}},
    ),
    (
        "names become free",
        {"type": "object", "propertyNames": {"enum": ["a"]}},
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}},
    ),
    (
        "dependentRequired shrinks",
        {"type": "object", "dependentRequired": {"a": ["b", "c"]}},
        {"type": "object", "dependentRequired": {"a": ["b"]}},
    ),
    ("allOf is merged", {"allOf": [WHOLE, {"minimum": 3}]}, {"type": "number", "minimum": 2}),
    ("allOf on the reading side", {"type": "integer", "minimum": 3}, {"allOf": [NUMBER, {"minimum": 2}]}),
    (
        "alternatives that cannot be written do not count",
        {"anyOf": [TEXT, {"type": "integer", "minimum": 2, "maximum": 1}]},
        TEXT,
    ),
    ("alternatives by values", {"enum": ["a", 1]}, {"anyOf": [TEXT, WHOLE]}),
    (
        "one alternative is split in two",
        model(["k"], k={"enum": ["a", "b"]}),
        {"anyOf": [model(["k"], k={"const": "a"}), model(["k"], k={"const": "b"})]},
    ),
    ("oneOf becomes anyOf", {"oneOf": [TEXT, WHOLE]}, {"anyOf": [WHOLE, TEXT]}),
    ("anyOf of different types becomes oneOf", {"anyOf": [TEXT, WHOLE]}, {"oneOf": [TEXT, WHOLE, {"type": "null"}]}),
    ("less is excluded", {"not": {"type": "string", "maxLength": 9}}, {"not": {"type": "string", "maxLength": 3}}),
    ("the excluded type was not written", TEXT, {"not": NUMBER}),
    ("a field that never was stays away", model(a={"not": {}}), {"type": "object", "properties": {"a": False}}),
    (
        "unevaluatedProperties stays",
        {"unevaluatedProperties": False, **model(a=TEXT)},
        {"unevaluatedProperties": False, **model(a=TEXT)},
    ),
    ("nothing was ever written", False, TEXT),
    ("everything is accepted", {}, True),
]


@pytest.mark.parametrize(("old", "new"), [pytest.param(*case[1:], id=case[0]) for case in WIDENED])
def test_widening_passes(old, new):
    assert found(old, new) == []


def test_a_field_that_becomes_required_is_found():
    assert found(model(a=TEXT), model(["a"], a=TEXT)) == [("$.a", "required-added")]


def test_a_required_field_with_a_default_is_filled_in_by_our_reader():
    new = model(["a"], a={"type": "string", "default": "x"})

    assert found(model(), new, policy="lenient") == []


def test_a_required_field_with_a_default_is_required_to_the_letter():
    new = model(["a"], a={"type": "string", "default": "x"})

    assert ("$.a", "required-added") in found(model(), new, policy="strict")


def test_a_default_that_its_own_field_refuses_fills_nothing_in():
    new = model(["a"], a={"type": "string", "default": 5})

    assert found(model(), new, policy="lenient") == [("$.a", "required-added")]


def test_a_new_optional_field_passes_by_the_lenient_policy():
    assert found(model(a=TEXT), model(a=TEXT, b=WHOLE), policy="lenient") == []


def test_a_new_optional_field_narrows_an_open_object_to_the_letter():
    assert found(model(a=TEXT), model(a=TEXT, b=WHOLE)) == [("$.b", "open-property-narrowed")]


def test_a_new_optional_field_passes_to_the_letter_where_the_old_object_was_closed():
    assert found({**model(a=TEXT), "additionalProperties": False}, model(a=TEXT, b=WHOLE)) == []


def test_a_removed_field_is_left_out_while_reading_by_the_lenient_policy():
    new = {**model(a=TEXT), "additionalProperties": False}

    assert found(model(a=TEXT, b=WHOLE), new, policy="lenient") == []


def test_a_removed_field_is_refused_by_a_closed_object_to_the_letter():
    old = {**model(a=TEXT, b=WHOLE), "additionalProperties": False}

    assert found(old, {**model(a=TEXT), "additionalProperties": False}) == [("$.b", "property-refused")]


def test_an_explicitly_open_object_is_open_by_the_lenient_policy_too():
    old = {**model(a=TEXT), "additionalProperties": True}

    assert found(old, model(a=TEXT, b=WHOLE), policy="lenient") == [("$.b", "open-property-narrowed")]


def test_further_properties_of_a_dict_are_compared():
    old, new = ({"type": "object", "additionalProperties": schema} for schema in (NUMBER, WHOLE))

    assert found(old, new, policy="lenient") == [("$.*", "type-changed")]


def test_a_dict_with_keys_of_a_pattern_refuses_other_keys_by_the_lenient_policy():
    old = {"type": "object", "additionalProperties": WHOLE}

    assert found(old, {"type": "object", "patternProperties": {"^a": WHOLE}}, policy="lenient") == [
        ("$.*", "property-refused")
    ]


def test_names_that_are_no_longer_allowed_are_found():
    old, new = ({"type": "object", "propertyNames": {"enum": names}} for names in (["a", "b"], ["a"]))

    assert found(old, new) == [("$.b", "property-names-narrowed")]


def test_a_property_that_two_patterns_match_must_fit_both():
    old = {"type": "object", "patternProperties": {"^a": TEXT}, "additionalProperties": False}
    new = {"type": "object", "patternProperties": {"^a": TEXT, "b$": WHOLE}}

    assert found(old, new) == [("$.*", "type-changed")]


def test_more_patterns_than_can_be_combined_are_undecidable():
    patterns = {f"^{letter}": TEXT for letter in "abcdefg"}

    assert found(
        {"type": "object", "additionalProperties": TEXT}, {"type": "object", "patternProperties": patterns}
    ) == [("$", "undecidable")]


def test_a_property_that_another_one_needs_is_found():
    new = {"type": "object", "dependentRequired": {"card": ["address"]}}

    assert found(OBJECT, new) == [("$", "required-added")]


def test_a_schema_that_depends_on_a_property_is_compared():
    new = {"type": "object", "dependentSchemas": {"card": {"required": ["address"]}}}

    assert found(OBJECT, new) == [("$.address", "required-added")]


def test_branches_of_the_same_condition_are_compared_where_they_apply():
    old = {"type": "integer", "if": {"minimum": 5}, "then": {"multipleOf": 4}}

    assert found(old, {"type": "integer", "if": {"minimum": 5}, "then": {"multipleOf": 2}}) == []
    assert found(old, {"type": "integer", "if": {"minimum": 5}, "then": {"multipleOf": 8}}) == [
        ("$", "multiple-of-changed")
    ]


def union(**branches):
    parts = [model(["kind", *needed], kind={"const": kind}, **fields) for kind, (needed, fields) in branches.items()]
    return {"oneOf": parts, "discriminator": {"propertyName": "kind"}}


def test_an_alternative_is_compared_with_the_one_of_the_same_tag():
    old = union(cat=([], {"lives": WHOLE}), dog=([], {"name": TEXT}))
    new = union(dog=([], {"name": TEXT}), cat=([], {"lives": {"type": "integer", "minimum": 1}}))

    assert found(old, new, policy="lenient") == [("$.lives", "minimum-raised")]


def test_a_new_tag_passes():
    assert found(union(cat=([], {})), union(cat=([], {}), dog=([], {"name": TEXT})), policy="lenient") == []


def test_a_tag_that_goes_is_found():
    old, new = union(cat=([], {}), dog=([], {})), union(cat=([], {}))

    assert found(old, new, policy="lenient") == [("$.kind", "value-removed")]


def test_a_tag_with_a_default_tells_alternatives_apart_by_the_lenient_policy():
    def pets(lives):
        parts = [model(kind={"const": "cat", "default": "cat"}, lives=lives), model(kind={"const": "dog"}, name=TEXT)]
        return {"oneOf": parts, "discriminator": {"propertyName": "kind"}}

    assert found(pets(WHOLE), pets(NUMBER), policy="lenient") == []


def test_a_model_that_becomes_a_tagged_union_must_have_had_the_tag():
    assert found(model(kind={"const": "cat"}), union(cat=([], {})), policy="lenient") == [("$", "required-added")]


def tree(**value):
    node = model(["value"], value=value, below={"type": "array", "items": {"$ref": "#/$defs/Tree"}})
    return {"$ref": "#/$defs/Tree", "$defs": {"Tree": node}}


def test_a_recursive_schema_is_compatible_with_itself():
    assert found(tree(**WHOLE), json.loads(json.dumps(tree(**WHOLE)))) == []


def test_a_recursive_schema_that_widens_passes():
    assert found(tree(**WHOLE), tree(**NUMBER)) == []


def test_a_recursive_schema_that_narrows_is_found_once():
    assert found(tree(**NUMBER), tree(**WHOLE)) == [("$.value", "type-changed")]


def test_schemas_that_refer_to_one_another_are_followed():
    def pair(leaf):
        first = model(b={"$ref": "#/$defs/B"}, leaf=leaf)
        return {"$ref": "#/$defs/A", "$defs": {"A": first, "B": model(a={"$ref": "#/$defs/A"})}}

    assert found(pair(WHOLE), pair(NUMBER)) == []
    assert found(pair(NUMBER), pair(WHOLE)) == [("$.leaf", "type-changed")]


def test_what_was_assumed_of_a_recursive_pair_is_not_kept_when_the_pair_fails():
    """The first alternative fails after its child was compared by assuming that it does not."""

    def chain(last):
        node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}, "last": last}}
        return {"properties": {"x": {"$ref": "#/$defs/N"}, "y": {"$ref": "#/$defs/N"}}, "$defs": {"N": node}}

    new = chain(TEXT)
    new["properties"]["x"] = {"anyOf": [{"$ref": "#/$defs/N"}, {}]}

    assert found(chain(NUMBER), new) == [("$.y.last", "type-changed")]


ANY_DATABASE = {"type": "object", "x-typecase-kind": "Database"}
ANY_BLOCK = {"type": "object", "x-typecase-kind": "Block"}
POSTGRES = {**model(host=TEXT), "x-typecase-block": "postgres-database"}
SQLITE = {**model(path=TEXT), "x-typecase-block": "sqlite-database"}


def field(schema):
    return model(db={"$ref": "#/$defs/D"}) | {"$defs": {"D": schema}}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        pytest.param(ANY_DATABASE, POSTGRES, "kind-narrowed", id="a kind becomes one type"),
        pytest.param(ANY_BLOCK, ANY_DATABASE, "kind-narrowed", id="any block becomes a kind"),
        pytest.param(ANY_DATABASE, {**ANY_DATABASE, "x-typecase-kind": "Notifier"}, "kind-narrowed", id="another kind"),
        pytest.param(POSTGRES, SQLITE, "block-type-changed", id="one type becomes another"),
        pytest.param(POSTGRES, model(host=TEXT), "block-type-changed", id="a block becomes a plain model"),
        pytest.param(model(host=TEXT), POSTGRES, "block-type-changed", id="a plain model becomes a block"),
        pytest.param(SQLITE, ANY_DATABASE, "kind-narrowed", id="a type whose kinds are not known becomes a kind"),
    ],
)
def test_a_field_that_accepts_fewer_blocks_is_found(old, new, rule):
    assert ("$.db", rule) in found(field(old), field(new), policy="lenient")


def test_a_type_may_become_a_kind_that_it_has():
    kinds = {"postgres-database": ("Database",)}

    assert found(field(POSTGRES), field(ANY_DATABASE), policy="lenient", kinds=kinds) == []


def test_a_type_or_a_kind_may_become_any_block():
    assert found(field(POSTGRES), field(ANY_BLOCK), policy="lenient") == []
    assert found(field(ANY_DATABASE), field(ANY_BLOCK), policy="lenient") == []


def test_a_slug_that_was_renamed_is_the_same_block():
    renamed = {**POSTGRES, "x-typecase-block": "postgresql"}

    assert found(field(POSTGRES), field(renamed), policy="lenient", aliases={"postgres-database": "postgresql"}) == []


def test_the_slug_of_the_type_itself_is_not_a_field():
    assert found(POSTGRES, {**POSTGRES, "x-typecase-block": "renamed"}, policy="lenient") == []


@pytest.mark.parametrize(
    ("name", "path"), [("port", "$.port"), ("a b", "$['a b']"), ("it's", "$['it\\'s']"), ("1", "$['1']")]
)
def test_a_path_names_properties_as_json_paths_do(name, path):
    assert found(model(**{name: NUMBER}), model(**{name: WHOLE})) == [(path, "type-changed")]


def test_a_path_goes_through_lists_and_tuples():
    def nested(schema):
        return model(items={"type": "array", "items": model(pair={"type": "array", "prefixItems": [TEXT, schema]})})

    assert found(nested(NUMBER), nested(WHOLE)) == [("$.items[*].pair[1]", "type-changed")]


def test_types_that_no_longer_fit_are_one_difference():
    (difference,) = check_compatibility({}, TEXT)

    assert difference.sentence == (
        "The new version needs a string. Earlier documents may hold null, a boolean, a number, an array or an object."
    )


def test_forward_asks_whether_the_old_schema_reads_new_documents():
    assert found(WHOLE, NUMBER, direction="forward") == [("$", "type-changed")]
    assert found(NUMBER, WHOLE, direction="forward") == []


def test_a_difference_says_what_each_side_does():
    (backward,) = check_compatibility(model(a=TEXT), model(["a"], a=TEXT))
    (forward,) = check_compatibility(model(["a"], a=TEXT), model(a=TEXT), direction="forward")

    assert backward.sentence == 'The new version needs the property "a". Earlier documents may lack it.'
    assert forward.sentence == 'The earlier version needs the property "a". New documents may lack it.'
    assert (backward.direction, forward.direction) == (Direction.BACKWARD, Direction.FORWARD)
    assert backward.breaking


def test_older_drafts_are_read_as_they_meant():
    draft = "http://json-schema.org/draft-07/schema#"
    old = {"$schema": draft, "type": "array", "items": [TEXT], "additionalItems": False}

    assert found(old, {"type": "array", "prefixItems": [TEXT], "items": False}) == []
    assert found({"$schema": draft, "properties": {"a": {"$ref": "#/definitions/A", "minLength": 9}},
                  "definitions": {"A": TEXT}}, {"properties": {"a": {**TEXT, "minLength": 9}}}) == [
        ("$.a", "min-length-raised")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"required": "a"},
        {"properties": ["a"]},
        {"anyOf": {"type": "string"}},
        {"items": 5},
        {"minimum": "1"},
        {"multipleOf": 0},
        {"minLength": -1},
        {"maximum": float("nan")},
        {"properties": {"a": {"not": None}}},
        [],
    ],
    ids=json.dumps,
)
def test_a_malformed_schema_is_refused_with_a_typed_error(schema):
    with pytest.raises(InvalidBlockType, match="malformed"):
        check_compatibility(schema, {})


def test_every_rule_is_in_the_reference(project):
    page = (project / "docs" / "reference" / "compatibility.md").read_text(encoding="utf-8")

    assert [rule for rule in Rule if f"| `{rule.value}` |" not in page] == []
