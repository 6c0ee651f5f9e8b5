"""The checker never says yes wrongly: what the old schema allows, the new one accepts.

Schemas, their changes and the values are made here, and jsonschema is the judge. TYPECASE_TEST_PROFILE=long tries
10,000 pairs of schemas instead of 200.
"""

import copy
import itertools
import json
import os
import re

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from typecase.blocks.compatibility import check_compatibility

LONG = os.environ.get("TYPECASE_TEST_PROFILE") == "long"
EXAMPLES = 10_000 if LONG else 200
VALUES = 14

NAMES = ("a", "b", "ab", "x1")
PATTERNS = ("^a", "b$", "^x[0-9]$")
SCALARS = (None, True, False, 0, 1, 2, 3, 5, -1, 1.5, 2.0, 4.5, "", "a", "ab", "b", "abc", "x1", "2024-01-01")
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
APPLIED = ("anyOf", "oneOf", "allOf", "not", "if", "then", "else")
NUMBER_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
TEXT_BOUNDS = ("minLength", "maxLength", "pattern")
ASSERTIONS = {
    "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
    "maxLength", "pattern", "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "minContains",
    "maxContains", "properties", "patternProperties", "additionalProperties", "propertyNames", "required",
    "minProperties", "maxProperties", "$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
    "dependentRequired", "dependentSchemas", "unevaluatedProperties",
}  # fmt: skip


class Maker:
    """Makes schemas, changes them, and makes values for them."""

    def __init__(self, random):
        self.random = random

    def chance(self, percent):
        return self.random.randrange(100) < percent

    # Schemas.

    def document(self):
        names = self.random.choice(([], ["N"], ["N", "M"]))
        schema = self.schema(3, names)
        if schema is True or schema is False:
            schema = {}
        if names:
            # A definition that only points on would be a circle without a value in between.
            schema["$defs"] = {name: self.object(2, names) for name in names}
        return schema

    def schema(self, depth, refs, *, ref=True):
        pick = self.random.randrange(100)
        if refs and ref and pick < 8:
            return {"$ref": f"#/$defs/{self.random.choice(refs)}"}
        if depth == 0 or pick < 40:
            return self.scalar()
        if pick < 60:
            return self.object(depth - 1, refs)
        if pick < 72:
            return self.array(depth - 1, refs)
        if pick < 76:
            return self.tagged(depth - 1, refs)
        return self.combined(depth - 1, refs)

    def scalar(self):
        pick = self.random.randrange(10)
        if pick < 6:
            names = ("integer", "number") if pick < 3 else ("string",)
            bounds = NUMBER_BOUNDS if pick < 3 else TEXT_BOUNDS
            schema = {"type": self.random.choice(names)}
            schema.update({keyword: self.bound(keyword) for keyword in bounds if self.chance(22)})
        elif pick == 6:
            schema = {"enum": self.random.sample(SCALARS, self.random.randrange(1, 4))}
        elif pick == 7:
            schema = {"const": self.random.choice((*SCALARS, [1], {"a": 1}, [], {}))}
        elif pick == 8:
            schema = {"type": self.random.sample(TYPES, self.random.randrange(1, 4))}
        else:
            schema = self.random.choice((True, {}, {"type": "boolean"}, {"type": "null"}, {"minLength": 2}))
        if schema is not True and "type" in schema and self.chance(8):
            schema = {keyword: value for keyword, value in schema.items() if keyword != "type"}
        return copy.deepcopy(schema)

    def bound(self, keyword):
        if keyword == "pattern":
            return self.random.choice(PATTERNS)
        if keyword == "multipleOf":
            return self.random.choice((1, 2, 3, 4, 6, 0.5, 2.0))
        return self.random.randrange(6)

    def object(self, depth, refs):
        schema = {"type": "object"}
        if self.chance(85):
            schema.update(self.model(depth, refs))
        if self.chance(45):
            schema["additionalProperties"] = self.random.choice((False, False, True, self.schema(depth, refs)))
        if self.chance(12):
            patterns = self.random.sample(PATTERNS, self.random.randrange(1, 3))
            schema["patternProperties"] = {pattern: self.schema(depth, refs) for pattern in patterns}
        rare = {
            "propertyNames": self.random.choice(({"pattern": "^a"}, {"enum": ["a", "b"]}, {"maxLength": 1})),
            "minProperties": self.random.randrange(3),
            "maxProperties": self.random.randrange(4),
            "dependentRequired": {self.random.choice(NAMES): [self.random.choice(NAMES)]},
            "dependentSchemas": {self.random.choice(NAMES): {"required": [self.random.choice(NAMES)]}},
        }
        schema.update({keyword: copy.deepcopy(value) for keyword, value in rare.items() if self.chance(7)})
        return schema

    def model(self, depth, refs):
        names = self.random.sample(NAMES, self.random.randrange(4))
        model = {"properties": {name: self.schema(depth, refs) for name in names}}
        for below in model["properties"].values():
            if isinstance(below, dict) and self.chance(12):
                below["default"] = self.random.choice(SCALARS)
        if self.chance(50):
            model["required"] = [name for name in (names if self.chance(85) else NAMES) if self.chance(50)]
        return model

    def array(self, depth, refs):
        schema = {"type": "array"}
        if self.chance(70):
            schema["items"] = self.schema(depth, refs)
        if self.chance(25):
            schema["prefixItems"] = [self.schema(depth, refs) for _ in range(self.random.randrange(1, 3))]
        if self.chance(25):
            schema["minItems"] = self.random.randrange(3)
        if self.chance(25):
            schema["maxItems"] = self.random.randrange(4)
        if self.chance(12):
            schema["uniqueItems"] = self.chance(80)
        if self.chance(10):
            schema["contains"] = self.scalar()
            if self.chance(40):
                schema["minContains"] = self.random.randrange(3)
            if self.chance(40):
                schema["maxContains"] = self.random.randrange(1, 3)
        return schema

    def tagged(self, depth, refs):
        branches = []
        for tag in ("p", "q", "r")[: self.random.randrange(2, 4)]:
            branch = {"type": "object", "properties": {"tag": {"const": tag}}}
            for name in self.random.sample(NAMES, self.random.randrange(3)):
                branch["properties"][name] = self.schema(depth, refs)
            pool = [name for name in branch["properties"] if self.chance(90 if name == "tag" else 40)]
            branch["required"] = pool
            if self.chance(30):
                branch["additionalProperties"] = False
            branches.append(branch)
        return {"oneOf": branches, "discriminator": {"propertyName": "tag"}}

    def combined(self, depth, refs):
        pick = self.random.randrange(100)
        schema = {} if self.chance(70) else self.schema(depth, [])
        if not isinstance(schema, dict):
            schema = {}
        # No reference here: it would look at the same value, and circles have no value in between.
        parts = [self.schema(depth, refs, ref=False) for _ in range(self.random.randrange(1, 4))]
        if pick < 45:
            schema["anyOf"] = parts
        elif pick < 65:
            schema["oneOf"] = parts
        elif pick < 80:
            schema["allOf"] = parts
        elif pick < 90:
            schema["not"] = parts[0]
        else:
            schema["if"] = parts[0]
            schema["then"] = self.schema(depth, refs, ref=False)
            if self.chance(50):
                schema["else"] = self.schema(depth, refs, ref=False)
        return schema

    # Changes.

    def changed(self, document):
        new = copy.deepcopy(document)
        refs = list(new.get("$defs", ()))
        for _ in range(self.random.randrange(1, 4)):
            shared = {id(place) for part in new.get("$defs", {}).values() for place in walk(part)}
            places = [place for place in walk(new) if isinstance(place, dict)]
            near = [place for place in places if id(place) not in shared]
            place = self.random.choice(near if self.chance(75) else places)
            self.change(place, refs)
        return new

    def change(self, place, refs):
        """Change one schema object where it stands; sometimes not at all."""
        pick = self.random.randrange(100)
        if pick < 30:
            self.change_keyword(place)
        elif "$ref" in place or "$defs" in place:
            return
        elif "properties" in place and pick < 58:
            self.change_field(place, refs)
        elif "properties" in place and pick < 65:
            place["additionalProperties"] = self.random.choice((True, False, {"type": "string"}))
        elif isinstance(place.get("type"), str) and pick < 75:
            place["type"] = [place["type"], self.random.choice(("null", "number", "string"))]
        elif "oneOf" in place and "anyOf" not in place and pick < 80:
            place["anyOf"] = place.pop("oneOf")
            place.pop("discriminator", None)
        elif pick < 90:
            inner = dict(place)
            place.clear()
            place[self.random.choice(("anyOf", "anyOf", "oneOf", "allOf"))] = [inner, self.scalar()]
        else:
            extra = self.schema(1, [])
            place.update({} if extra is True else {k: v for k, v in extra.items() if k != "discriminator"})

    def change_keyword(self, place):
        keywords = sorted(ASSERTIONS.intersection(place) - {"$ref", "const"})
        if not keywords:
            return
        keyword = self.random.choice(keywords)
        value = place[keyword]
        if isinstance(value, bool):
            place[keyword] = not value
        elif keyword in NUMBER_BOUNDS or isinstance(value, int):
            place[keyword] = self.bound(keyword) if self.chance(50) else max(1, value + self.random.choice((-1, 1, 2)))
        elif keyword == "enum":
            place[keyword] = [*value, self.random.choice(SCALARS)]
        elif isinstance(value, list) and len(value) > 1 and self.chance(60):
            value.pop(self.random.randrange(len(value)))
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            value.append(self.schema(1, []))
        else:
            del place[keyword]

    def change_field(self, place, refs):
        name = self.random.choice(NAMES)
        fields = place["properties"]
        if name in fields and self.chance(40):
            del fields[name]
            return
        fields[name] = self.schema(1, refs)
        if isinstance(fields[name], dict) and self.chance(40):
            fields[name]["default"] = self.random.choice(SCALARS)
            place["required"] = sorted({*place.get("required", ()), name})

    # Values.

    def value(self, schema, root, depth=6):
        """Return a value that often meets `schema`; the judge says whether it does."""
        if depth <= 0 or isinstance(schema, bool) or self.chance(4):
            return self.random.choice((*SCALARS, [], {}, {"a": 1}, [1]))
        if "$ref" in schema:
            return self.value(root["$defs"][schema["$ref"].rpartition("/")[2]], root, depth - 1)
        if "const" in schema or schema.get("enum"):
            return copy.deepcopy(schema["const"] if "const" in schema else self.random.choice(schema["enum"]))
        merged = {keyword: value for keyword, value in schema.items() if keyword not in APPLIED}
        for part in self.parts(schema):
            merged = self.merge(merged, part, root)
        if merged.keys() & {"const", "enum", "$ref", *APPLIED}:
            return self.value(merged, root, depth - 1)
        return self.typed(merged, root, depth)

    def parts(self, schema):
        """Yield what a value of `schema` may have to meet besides."""
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                yield self.random.choice(schema[keyword])
        yield from schema.get("allOf", ())
        if "if" in schema and self.chance(60):
            yield from (schema["if"], schema.get("then", True))
        elif "else" in schema:
            yield schema["else"]

    def merge(self, schema, part, root):
        if isinstance(part, bool):
            return schema
        if "$ref" in part:
            part = root["$defs"][part["$ref"].rpartition("/")[2]]
        merged = {**schema, **part}
        for keyword in ("properties", "patternProperties"):
            if keyword in schema and keyword in part:
                merged[keyword] = {**schema[keyword], **part[keyword]}
        if "required" in schema and "required" in part:
            merged["required"] = [*schema["required"], *part["required"]]
        return merged

    def typed(self, schema, root, depth):
        kinds = schema.get("type", ("number", "string", "object", "array", "null", "boolean"))
        kind = kinds if isinstance(kinds, str) else self.random.choice(kinds)
        if "type" not in schema:
            if {"properties", "required", "additionalProperties"} & schema.keys() and self.chance(60):
                kind = "object"
            elif {"items", "prefixItems", "contains"} & schema.keys() and self.chance(60):
                kind = "array"
        if kind in ("integer", "number"):
            return self.number(schema, kind)
        if kind == "string":
            return self.text(schema)
        if kind == "array":
            return self.items(schema, root, depth)
        if kind == "object":
            return self.fields(schema, root, depth)
        return None if kind == "null" else self.chance(50)

    def number(self, schema, kind):
        edges = [schema[k] for k in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if k in schema]
        base = self.random.choice([*edges, self.random.randrange(-2, 14)])
        base += self.random.choice((0, 0, 1, -1, 2))
        if kind == "number" and self.chance(35):
            base += 0.5
        step = schema.get("multipleOf")
        if step:
            base = step * round(base / step)
        return float(base) if self.chance(10) else base

    def text(self, schema):
        low = schema.get("minLength", 0)
        high = schema.get("maxLength", low + 3)
        text = "".join(self.random.choice("ab1") for _ in range(self.random.choice((low, high, low + 1))))
        if "pattern" in schema:
            text = {"^a": f"a{text[1:]}", "b$": f"{text[:-1]}b"}.get(schema["pattern"], "x1")
        return text

    def items(self, schema, root, depth):
        prefix = schema.get("prefixItems", [])
        low = int(schema.get("minItems", 0))
        high = int(schema.get("maxItems", low + len(prefix) + 2))
        count = self.random.randrange(low, high + 1) if high >= low else low
        rest = schema.get("items", True)
        return [
            self.value(schema["contains"], root, depth - 1)
            if "contains" in schema and self.chance(40)
            else self.value(prefix[index] if index < len(prefix) else rest, root, depth - 1)
            for index in range(count)
        ]

    def fields(self, schema, root, depth):
        declared = schema.get("properties", {})
        required = schema.get("required", ())
        extra = schema.get("additionalProperties", True)
        found = {}
        for name in dict.fromkeys((*required, *declared, *NAMES)):
            if name in declared:
                if name in required or self.chance(50):
                    found[name] = self.value(declared[name], root, depth - 1)
            elif name in required or (extra is not False and self.chance(18 if declared else 40)):
                patterns = [s for p, s in schema.get("patternProperties", {}).items() if re.search(p, name)]
                found[name] = self.value(patterns[0] if patterns else extra, root, depth - 1)
        for name, needed in schema.get("dependentRequired", {}).items():
            if name in found:
                for other in needed:
                    found.setdefault(other, self.value(declared.get(other, extra), root, depth - 1))
        return found


def walk(schema):
    """Yield every schema in `schema`."""
    yield schema
    if isinstance(schema, bool):
        return
    for keyword in ("items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames"):
        if keyword in schema:
            yield from walk(schema[keyword])
    for keyword in ("properties", "patternProperties", "$defs", "dependentSchemas"):
        for below in schema.get(keyword, {}).values():
            yield from walk(below)
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for below in schema.get(keyword, ()):
            yield from walk(below)


class Meaning:
    """What a schema says of a value: by the letter, and as our classes write and read it."""

    def __init__(self, root):
        self.root = root
        self.validator = Draft202012Validator(root)

    def accepts(self, value):
        return self.validator.is_valid(value)

    def holds(self, schema, value):
        if schema is self.root:
            return self.accepts(value)
        whole = {"allOf": [schema], "$defs": self.root.get("$defs", {})}
        return Draft202012Validator(whole).is_valid(value)

    def target(self, schema):
        return self.root["$defs"][schema["$ref"].rpartition("/")[2]]

    def alternatives(self, schema):
        """The schemas that `schema` only hands on to; None if it does more."""
        found = ASSERTIONS & schema.keys()
        if found == {"$ref"}:
            return [self.target(schema)]
        if found in ({"anyOf"}, {"oneOf"}) or (found == {"allOf"} and len(schema["allOf"]) == 1):
            return schema[next(iter(found))]
        return None

    def below(self, schema, value):
        """Yield (key, schema, value) for each part of `value` that exactly one schema looks at."""
        found = ASSERTIONS & schema.keys()
        if isinstance(value, list) and found <= {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}:
            if not schema.get("uniqueItems"):
                prefix = schema.get("prefixItems", [])
                for index, item in enumerate(value):
                    yield index, prefix[index] if index < len(prefix) else schema.get("items", True), item
        elif isinstance(value, dict) and (is_record(schema) or is_dict(schema)):
            declared = schema.get("properties", {})
            for name, item in value.items():
                patterns = [s for p, s in schema.get("patternProperties", {}).items() if re.search(p, name)]
                known = [declared[name]] if name in declared else patterns
                yield name, (known or [schema.get("additionalProperties", True)])[0], item

    def writes(self, schema, value):
        """Whether a class could have written `value`: nothing beyond its fields."""
        if isinstance(schema, bool):
            return True
        alternatives = self.alternatives(schema)
        if alternatives is not None:
            return any(self.holds(part, value) and self.writes(part, value) for part in alternatives)
        if isinstance(value, dict):
            closed = is_model(schema) and "additionalProperties" not in schema
            if (closed and not value.keys() <= schema["properties"].keys()) or not self.has_known_keys(schema, value):
                return False
        return all(self.writes(part, item) for _, part, item in self.below(schema, value))

    def readings(self, schema, value):
        """Yield what a class could read `value` as: unknown properties left out, defaults filled in."""
        if isinstance(schema, bool):
            yield value
            return
        alternatives = self.alternatives(schema)
        if alternatives is not None:
            for part in alternatives:
                yield from (read for read in self.readings(part, value) if self.holds(part, read))
            return
        if isinstance(value, dict):
            if not self.has_known_keys(schema, value):
                return
            value = self.fitted(schema, value)
        parts = list(self.below(schema, value))
        options = [list(itertools.islice(self.readings(part, item), 4)) for _, part, item in parts]
        for chosen in itertools.islice(itertools.product(*options), 40):
            read = copy.copy(value)
            for (key, _, _), item in zip(parts, chosen, strict=True):
                read[key] = item
            yield read

    def fitted(self, schema, value):
        """The object without what a class does not know, and with the defaults of what it needs."""
        if not is_model(schema) or schema.get("additionalProperties", False) is not False:
            return value
        declared = schema["properties"]
        missing = [name for name in schema.get("required", ()) if name not in value]
        filled = {
            n: declared[n]["default"] for n in missing if isinstance(declared[n], dict) and "default" in declared[n]
        }
        return {name: item for name, item in value.items() if name in declared} | filled

    def has_known_keys(self, schema, value):
        """Whether the keys of a dict follow its patterns, where it is one whose keys do."""
        patterns = schema.get("patternProperties", {})
        return ASSERTIONS & schema.keys() != {"patternProperties"} or all(
            any(re.search(pattern, name) for pattern in patterns) for name in value
        )

    def reads(self, value):
        return any(self.validator.is_valid(read) for read in self.readings(self.root, value))


def is_record(schema):
    found = ASSERTIONS & schema.keys()
    return "properties" in found and found <= {"properties", "required", "additionalProperties"}


def is_model(schema):
    return is_record(schema) and all(name in schema["properties"] for name in schema.get("required", ()))


def is_dict(schema):
    found = ASSERTIONS & schema.keys()
    return (
        found
        <= {"additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties", "required"}
        and len(schema.get("patternProperties", ())) <= 1
    )


def with_tags(document):
    """The document with the tag of each tagged union required, as pydantic requires it."""
    document = copy.deepcopy(document)
    for schema in walk(document):
        if isinstance(schema, dict) and "discriminator" in schema and "oneOf" in schema:
            tag = schema["discriminator"]["propertyName"]
            named = [part.get("properties", {}).get(tag) for part in schema["oneOf"] if isinstance(part, dict)]
            if len(named) == len(schema["oneOf"]) and all(
                isinstance(value, dict) and ("const" in value or "enum" in value) for value in named
            ):
                for part in schema["oneOf"]:
                    part["required"] = sorted({*part.get("required", ()), tag})
                    part["type"] = "object"
    return document


def values_for(maker, old, new):
    """Values that lie where the two schemas may differ."""
    for _ in range(VALUES):
        yield maker.value(old, old)
    for _ in range(VALUES // 3):
        yield maker.value(new, new)
    yield from SCALARS


def shown(old, new, value):
    return json.dumps({"old": old, "new": new, "value": value}, indent=1)


examine = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@examine
@given(st.randoms(use_true_random=True))
def test_what_is_called_backward_compatible_to_the_letter_is_accepted_by_the_new_schema(random):
    maker = Maker(random)
    old = maker.document()
    new = maker.changed(old)
    compatible = not check_compatibility(old, new, policy="strict")
    event(f"compatible: {compatible}")
    if compatible:
        before, after = Meaning(old), Meaning(new)
        for value in values_for(maker, old, new):
            if before.accepts(value):
                event("a value was judged")
                assert after.accepts(value), shown(old, new, value)


@examine
@given(st.randoms(use_true_random=True))
def test_what_is_called_backward_compatible_by_the_lenient_policy_is_read_by_the_new_schema(random):
    maker = Maker(random)
    old = maker.document()
    new = maker.changed(old)
    compatible = not check_compatibility(old, new, policy="lenient")
    event(f"compatible: {compatible}")
    if compatible:
        before, after = Meaning(with_tags(old)), Meaning(with_tags(new))
        for value in values_for(maker, old, new):
            if before.accepts(value) and before.writes(before.root, value):
                event("a value was judged")
                assert after.reads(value), shown(old, new, value)
