"""Whatever a form sends: no secret is lost by leaving it alone, shown, or moved to another place.

TYPECASE_TEST_PROFILE=long tries 5,000 documents instead of a few hundred.
"""

import copy
import json
import os
import re
from itertools import count
from typing import Annotated, Literal, NamedTuple

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, JsonValue, Secret, SecretStr, create_model

from typecase.blocks import Block, BlockType
from typecase.blocks.documents import editable_document, mask_document, merge_document, validate_document
from typecase.blocks.errors import InvalidDocument
from typecase.blocks.kinds import Credentials
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of
from typecase.blocks.secrets.reference import is_reference
from typecase.blocks.testing.samples import LOGIN, register_samples

LONG = os.environ.get("TYPECASE_TEST_PROFILE") == "long"
# Shrinking makes thousands of classes, and a failing example is small enough to read.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
CHECKED = settings(
    max_examples=5_000 if LONG else 250, suppress_health_check=list(HealthCheck), deadline=None, phases=PHASES
)

CANARY = 7_000_000_000
CANARIES = re.compile(r"70000\d{5}")
NUMBER = count()
REGISTRY = MemoryRegistry()
register_samples(REGISTRY)
SCHEMA_OF = REGISTRY._state.version

names = st.sampled_from(["a", "b", "$$secret", "$$item", "$$block", "x.y"])
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "text", "********"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)


class Tree(BaseModel):
    token: SecretStr | None = None
    children: list["Tree"] = []
    named: dict[str, "Tree"] = {}


class Documents:
    """Draws a block type with a document of it. Each secret in the document is a number of its own."""

    def __init__(self, draw):
        self.draw = draw
        self._numbers = count(CANARY)

    def document(self):
        fields = self.fields(3)
        number = next(NUMBER)
        cls = create_model(f"Form{number}", __base__=Block, **{name: part for name, (part, _) in fields.items()})
        cls.__block__ = BlockType(slug=f"form-{number}")
        return definition_of(cls).schema, self.filled(fields)

    def fields(self, depth):
        found = {}
        for name in self.draw(st.lists(st.sampled_from(["p", "q", "r", "s"]), min_size=1, unique=True)):
            part, value = self.kind(depth)
            optional = self.draw(st.booleans())
            found[name] = ((part | None, None) if optional else (part, ...)), (value, optional)
        return found

    def filled(self, fields):
        document = {}
        for name, (_, (value, optional)) in fields.items():
            if optional and self.draw(st.booleans()):
                if self.draw(st.booleans()):
                    document[name] = None
                continue
            document[name] = value()
        return document

    def kind(self, depth):
        makers = [self.plain, self.secret, self.secret]
        if depth:
            makers += [self.container, self.container, self.model, self.union, self.block, self.tree]
        return self.draw(st.sampled_from(makers))(depth)

    def plain(self, _):
        return self.draw(
            st.sampled_from(
                [
                    (str, lambda: "plain"),
                    (int, lambda: 5),
                    (dict[str, JsonValue], lambda: self.draw(st.dictionaries(names, plain_values, max_size=2))),
                    (str, self.reference),
                ]
            )
        )

    def secret(self, _):
        return self.draw(
            st.sampled_from(
                [
                    (SecretStr, self.text),
                    (Secret[int], lambda: next(self._numbers)),
                    (Secret[dict[str, list[int]]], lambda: {"$$k": [next(self._numbers)]}),
                    (int | SecretStr, self.text),
                    (list[SecretStr] | SecretStr, lambda: [self.text()]),
                    (SecretStr, self.reference),
                ]
            )
        )

    def container(self, depth):
        part, value = self.kind(depth - 1)
        other, other_value = self.kind(depth - 1)
        return self.draw(
            st.sampled_from(
                [
                    (list[part], lambda: self.several(value)),
                    (list[list[part]], lambda: self.several(lambda: self.several(value))),
                    (tuple[part, ...], lambda: self.several(value)),
                    (tuple[Literal["tuple"], part, other], lambda: ["tuple", value(), other_value()]),
                    (tuple[Literal["tuple"], part, part], lambda: ["tuple", value(), value()]),
                    (dict[str, part], lambda: {key: value() for key in self.draw(st.sets(names, max_size=2))}),
                ]
            )
        )

    def several(self, value):
        return [value() for _ in range(self.draw(st.integers(0, 3)))]

    def model(self, depth):
        fields = self.fields(depth - 1)
        made = create_model(f"Part{next(NUMBER)}", **{name: part for name, (part, _) in fields.items()})
        return made, lambda: self.filled(fields)

    def union(self, depth):
        """Two models with the same fields that a tag tells apart, or a field that only one has."""
        fields = self.fields(depth - 1)
        parts = {name: part for name, (part, _) in fields.items()}
        number = next(NUMBER)
        if self.draw(st.booleans()):
            tags = [{"kind": (Literal["left"], "left")}, {"kind": (Literal["right"], ...)}]
            values = [{"kind": "left"}, {"kind": "right"}]
        else:
            tags = [{"left": (int, ...)}, {"right": (int, ...)}]
            values = [{"left": 1}, {"right": 1}]
        left, right = (create_model(f"Side{number}{i}", **tag, **parts) for i, tag in enumerate(tags))
        part = Annotated[left | right, Field(discriminator="kind")] if "kind" in values[0] else left | right
        return part, lambda: {**self.draw(st.sampled_from(values)), **self.filled(fields)}

    def block(self, _):
        inline = lambda: {"$type": LOGIN, "$version": 1, "user": "u", "password": self.text()}  # noqa: E731 - one of two
        return Credentials, lambda: inline() if self.draw(st.booleans()) else {"$block": "other"}

    def tree(self, depth):
        def grown(depth):
            inner = lambda: grown(depth - 1)  # noqa: E731 - a strategy's small function
            children, named = (self.several(inner), {"a": inner()}) if depth else ([], {})
            return {"token": self.text(), "children": children, "named": named}

        return Tree, lambda: grown(depth - 1)

    def text(self):
        return f"secret-{next(self._numbers)}"

    def reference(self):
        return {"$secret": {"store": "env", "key": "KEY"}}


@st.composite
def stored_documents(draw):
    """A schema, and a document that fits it."""
    schema, document = Documents(draw).document()
    validate_document(document, schema, schema_of=SCHEMA_OF)
    return schema, document


def places(value, path=()):
    """Every place in a form but the form itself."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield (*path, key)
        yield from places(item, (*path, key))


def at(form, path):
    for step in path:
        form = form[step]
    return form


JUNK = [
    None,
    "sent",
    "********",
    5,
    [],
    {},
    {"$item": 0},
    {"$secret": {"set": True, "source": "literal"}},
    {"$secret": {"set": True, "source": "literal", "item": 0}},
    {"$secret": {"set": True, "source": "literal", "item": [0, 0]}},
    {"$secret": {"store": "env", "key": "OTHER"}},
    {"$block": "mine"},
    {"$type": LOGIN},
    {"kind": "left"},
    {"kind": "right"},
    {"left": 1, "right": None},
    {"right": 1, "left": None},
]


def edit(draw, form):
    """Change a form at one place as people, clumsy clients and attackers do."""
    path = draw(st.sampled_from(list(places(form))))
    holder, step = at(form, path[:-1]), path[-1]
    action = draw(st.sampled_from(["remove", "junk", "transplant", "transplant", "shuffle", "junk inside", "number"]))
    event(action)
    if action == "remove":
        del holder[step]
    elif action == "junk":
        holder[step] = copy.deepcopy(draw(st.sampled_from(JUNK)))
    elif action == "transplant":
        holder[step] = copy.deepcopy(at(form, draw(st.sampled_from(list(places(form))))))
    elif action == "shuffle" and isinstance(holder[step], list):
        holder[step] = draw(st.permutations(holder[step]))
    elif action == "junk inside" and isinstance(holder[step], dict):
        holder[step].update(copy.deepcopy(draw(st.sampled_from([item for item in JUNK if isinstance(item, dict)]))))
    elif action == "number" and isinstance(holder[step], dict):
        target = holder[step].get("$secret")
        inside, name = (target, "item") if isinstance(target, dict) else (holder[step], "$item")
        inside[name] = draw(st.sampled_from([0, 1, 2, [0, 0], [1, 0]]))


class Part(NamedTuple):
    """What a secret is a part of: a block of a type, or one side of a union, which a tag or a field tells."""

    type_slug: str
    tag: str
    field: str

    def stays(self, after):
        """Whether it is the same afterwards. A tag or a field that it got tells nothing of what had none."""
        return self.type_slug == after.type_slug and self.tag in {"", after.tag} and self.field in {"", after.field}


def stays(before, after):
    pairs = list(zip(before, after, strict=True)) if len(before) == len(after) else [("", "moved")]
    return all(one.stays(other) if isinstance(one, Part) else one == other for one, other in pairs)


def standing(value, path=()):
    """Where each secret stands: keys and positions in tuples, and which alternative or type it is a part of."""
    if isinstance(value, dict):
        field = next((name for name in ("left", "right") if name in value), "")
        part = Part(str(value.get("$type", "")), str(value.get("kind", "")), field)
        for key, item in value.items():
            yield from standing(item, (*path, part, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from standing(item, (*path, index if "tuple" in value[:1] else "*"))
    else:
        for number in CANARIES.findall(str(value)):
            yield number, path


def keys(value):
    """Every key of a document; a reference is one value."""
    if isinstance(value, dict) and not is_reference(value) and "$block" not in value:
        for key, item in value.items():
            yield key
            yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def sent(document, form, schema):
    """What becomes of a document when a form is sent, and what it is refused with: then nothing is written."""
    try:
        merged = merge_document(document, form, schema, schema_of=SCHEMA_OF)
        validate_document(merged, schema, schema_of=SCHEMA_OF)
    except InvalidDocument as error:
        return {}, f"{error} {error.problems}"
    return merged, ""


@given(stored_documents())
@CHECKED
def test_a_form_shows_no_secret(given):
    schema, document = given
    assert CANARIES.findall(json.dumps(editable_document(document, schema, schema_of=SCHEMA_OF))) == []


@given(stored_documents())
@CHECKED
def test_a_form_sent_back_as_it_is_changes_nothing(given):
    schema, document = given
    form = json.loads(json.dumps(editable_document(document, schema, schema_of=SCHEMA_OF)))
    assert merge_document(document, form, schema, schema_of=SCHEMA_OF) == document


@given(stored_documents())
@CHECKED
def test_a_form_that_sends_nothing_changes_nothing(given):
    schema, document = given
    assert merge_document(document, {}, schema, schema_of=SCHEMA_OF) == document


@given(st.data())
@CHECKED
def test_no_edit_moves_shows_or_doubles_a_secret(data):
    schema, document = data.draw(stored_documents())
    form = editable_document(document, schema, schema_of=SCHEMA_OF)
    for _ in range(data.draw(st.integers(1, 4))):
        if any(places(form)):
            edit(data.draw, form)
    merged, refusal = sent(document, form, schema)
    assert CANARIES.findall(refusal) == []
    event("refused" if refusal else "taken")
    assert [key for key in keys(merged) if key in {"$item", "$secret"}] == []
    before, after = dict(standing(document)), list(standing(merged))
    assert len(after) == len({number for number, _ in after})
    assert [number for number, _ in after if number not in before] == []
    for number, path in after:
        assert stays(before[number], path), (before[number], path)
    assert CANARIES.findall(json.dumps(mask_document(merged, schema, schema_of=SCHEMA_OF))) == []
