"""Forms of documents: what is shown for editing, and what is written of what comes back."""

import json
from dataclasses import replace
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue, Secret, SecretStr

from typecase.blocks import Block, BlockType
from typecase.blocks.documents import editable_document, merge_document, validate_document
from typecase.blocks.errors import InvalidDocument
from typecase.blocks.kinds import Credentials
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.schema import definition_of
from typecase.blocks.testing.samples import LOGIN, register_samples

MASK = {"$secret": {"set": True, "source": "literal"}}
REFERENCE = {"$secret": {"store": "aws", "key": "prod/db"}}
SECRET = "stored-secret-4711"


def mask(item):
    return {"$secret": {"set": True, "source": "literal", "item": item}}


class Server(BaseModel):
    host: str
    port: int = 1
    token: SecretStr | None = None


class ByKey(BaseModel):
    kind: Literal["key"] = "key"
    user: str = ""
    value: SecretStr


class ByToken(BaseModel):
    kind: Literal["token"]
    user: str = ""
    value: SecretStr | None = None


class Mailbox(BaseModel):
    address: str = ""
    password: SecretStr | None = None


class Queue(BaseModel):
    topic: str = ""
    password: SecretStr | None = None


class Machine(Block):
    """A block with all that a form can hold."""

    __block__ = BlockType(slug="form-machine")

    name: str
    note: str | None = None
    size: int = 1
    password: SecretStr | None = None
    pin: SecretStr
    server: Server | None = None
    servers: list[Server] = []
    tokens: list[SecretStr] = []
    grid: list[list[SecretStr]] = []
    rows: list[tuple[str, SecretStr]] = []
    pair: tuple[str, SecretStr] | None = None
    twins: tuple[SecretStr, SecretStr] | None = None
    keys: dict[str, SecretStr] = {}
    options: dict[str, JsonValue] = {}
    table: Secret[dict[str, int]] | None = None
    auth: Annotated[ByKey | ByToken, Field(discriminator="kind")] | None = None
    place: Mailbox | Queue | None = None
    login: Credentials | None = None


SCHEMA = definition_of(Machine).schema
LEAST = {"name": "n", "pin": SECRET}


@pytest.fixture
def schema_of():
    registry = MemoryRegistry()
    register_samples(registry)
    return registry._state.version


@pytest.fixture
def shown(schema_of):
    return lambda **data: editable_document(data, SCHEMA, schema_of=schema_of)


@pytest.fixture
def merged(schema_of):
    """What becomes of some fields of a document when a form sends a change; the required ones stand already."""

    def merge(stored, change):
        result = merge_document({**LEAST, **stored}, change, SCHEMA, schema_of=schema_of)
        return {key: value for key, value in result.items() if key not in LEAST or value != LEAST[key]}

    return merge


@pytest.fixture
def refused(merged):
    """What a change is refused for: path and sentence of each problem."""

    def refuse(stored, change):
        with pytest.raises(InvalidDocument) as raised:
            merged(stored, change)
        assert SECRET not in f"{raised.value} {raised.value.problems}"
        return {path: sentence for path, _, sentence in raised.value.problems}

    return refuse


class TestWhatAFormShows:
    def test_a_secret_in_a_field_is_masked_without_a_place(self, shown):
        assert shown(password=SECRET) == {"password": MASK}

    def test_a_secret_in_a_list_says_which_item_it_is(self, shown):
        assert shown(tokens=["a", "b"]) == {"tokens": [mask(0), mask(1)]}

    def test_an_object_in_a_list_says_which_item_it_is_where_it_holds_a_secret(self, shown):
        found = shown(servers=[{"host": "a"}, {"host": "b", "token": SECRET}])
        assert found == {"servers": [{"host": "a"}, {"$item": 1, "host": "b", "token": MASK}]}

    def test_in_a_list_of_lists_the_place_is_the_way_through_both(self, shown):
        assert shown(grid=[["a"], ["b", "c"]]) == {"grid": [[mask([0, 0])], [mask([1, 0]), mask([1, 1])]]}

    def test_a_reference_to_a_store_is_shown_with_its_place(self, shown):
        source = {"set": True, "source": REFERENCE["$secret"], "item": 0}
        assert shown(tokens=[REFERENCE]) == {"tokens": [{"$secret": source}]}

    def test_a_key_that_looks_like_a_mask_stays_what_it_is(self, shown):
        options = {"$$secret": {"set": True}, "$$item": 3}
        assert shown(options=options, keys={"$$secret": None}) == {"options": options, "keys": {"$$secret": None}}


class TestFieldsAndMaps:
    def test_what_is_omitted_is_kept_at_every_depth(self, merged):
        stored = {"password": SECRET, "server": {"host": "a", "token": SECRET}, "keys": {"a": "1", "b": "2"}}
        changed = {"server": {"host": "b"}, "keys": {"b": "3"}}
        assert merged(stored, changed) == {
            "password": SECRET,
            "server": {"host": "b", "token": SECRET},
            "keys": {"a": "1", "b": "3"},
        }

    def test_a_mask_that_comes_back_is_kept(self, merged):
        assert merged({"password": SECRET}, {"password": MASK, "size": 2}) == {"password": SECRET, "size": 2}

    def test_a_value_replaces(self, merged):
        assert merged({"password": SECRET}, {"password": "new"}) == {"password": "new"}

    def test_null_is_stored_where_the_schema_allows_it(self, merged):
        assert merged({"password": SECRET, "note": "x"}, {"password": None, "note": None}) == {
            "password": None,
            "note": None,
        }

    def test_null_elsewhere_leaves_the_field_to_its_default(self, merged):
        assert merged({"size": 5}, {"size": None}) == {}

    def test_a_required_field_cannot_be_cleared(self, refused):
        assert refused({}, {"pin": None}) == {"pin": "is required and cannot be cleared"}

    def test_nor_can_one_of_a_model_inside(self, refused):
        found = refused({"server": {"host": "a"}}, {"server": {"host": None}})
        assert found == {"server.host": "is required and cannot be cleared"}

    def test_null_takes_a_key_out_of_a_map(self, merged):
        stored = {"keys": {"a": "1", "b": "2"}, "options": {"x": 1, "y": 2}}
        change = {"keys": {"a": None}, "options": {"y": None}}
        assert merged(stored, change) == {"keys": {"b": "2"}, "options": {"x": 1}}

    def test_null_in_a_map_that_holds_it_already_stays(self, merged):
        assert merged({"options": {"x": None}}, {"options": {"x": None}}) == {"options": {"x": None}}

    def test_an_empty_object_changes_nothing(self, merged):
        assert merged({"keys": {"a": "1"}}, {"keys": {}}) == {"keys": {"a": "1"}}

    def test_a_text_that_looks_like_a_mask_is_a_secret(self, merged):
        for text in ("********", json.dumps(MASK), "literal", ""):
            assert merged({"password": SECRET}, {"password": text}) == {"password": text}

    def test_an_escaped_mask_is_a_literal(self, merged):
        literal = {"$$secret": {"set": True, "source": "literal"}}
        assert merged({"options": {"x": 1}}, {"options": {"x": literal}}) == {"options": {"x": literal}}

    def test_a_secret_with_structure_is_replaced_as_a_whole(self, merged):
        assert merged({"table": {"a": 1}}, {"table": {"b": 2}}) == {"table": {"b": 2}}
        assert merged({"table": {"a": 1}}, {"table": {}}) == {"table": {}}

    @pytest.mark.parametrize("field", ["password", "server", "keys", "name"])
    def test_a_mask_where_no_secret_is_stored_is_refused(self, refused, field):
        assert refused({"keys": {"a": SECRET}}, {field: MASK}) == {
            field: "no secret is stored here that a mask could keep"
        }

    def test_a_mask_under_another_key_is_refused(self, refused):
        change = {"keys": {"a": None, "b": MASK}}
        assert "keys.b" in refused({"keys": {"a": SECRET}}, change)

    def test_a_mask_inside_a_new_value_of_a_secret_is_refused(self, refused):
        assert "table.a" in refused({"table": {"a": 1}}, {"table": {"a": MASK}})

    @pytest.mark.parametrize("broken", [{"set": False}, {"set": 1}, None, 5, [], {"set": True, "item": 0}])
    def test_what_only_resembles_a_mask_is_refused(self, refused, broken):
        assert "password" in refused({"password": SECRET}, {"password": {"$secret": broken}})

    def test_a_mask_has_no_neighbours(self, refused):
        assert "password" in refused({"password": SECRET}, {"password": {**MASK, "more": 1}})

    def test_every_problem_is_told_at_once(self, refused):
        assert set(refused({}, {"password": MASK, "pin": None, "tokens": [MASK]})) == {"password", "pin", "tokens.0"}

    def test_neither_what_is_stored_nor_the_change_is_altered(self, merged):
        stored, change = {"servers": [{"host": "a", "token": SECRET}]}, {"servers": [{"$item": 0, "host": "b"}]}
        before = json.dumps([stored, change])
        merged(stored, change)
        assert json.dumps([stored, change]) == before


class TestLists:
    def test_a_list_is_what_was_sent_in_its_order(self, merged):
        assert merged({"tokens": ["a", "b", "c"]}, {"tokens": [mask(2), "new", mask(0)]}) == {
            "tokens": ["c", "new", "a"]
        }

    def test_an_object_with_a_place_is_merged_with_that_item(self, merged):
        stored = {"servers": [{"host": "a", "token": "1"}, {"host": "b", "port": 7, "token": "2"}]}
        change = {"servers": [{"$item": 1, "host": "c", "token": MASK}, {"host": "new"}]}
        assert merged(stored, change) == {
            "servers": [{"host": "c", "port": 7, "token": "2"}, {"host": "new"}],
        }

    def test_an_object_without_a_place_is_new(self, merged, refused):
        stored = {"servers": [{"host": "a", "port": 7, "token": SECRET}]}
        assert merged(stored, {"servers": [{"host": "a"}]}) == {"servers": [{"host": "a"}]}
        assert "servers.0.token" in refused(stored, {"servers": [{"host": "a", "token": MASK}]})

    def test_an_item_is_kept_once(self, refused):
        found = refused({"tokens": [SECRET]}, {"tokens": [mask(0), mask(0)]})
        assert found == {"tokens.1": "this item was sent twice"}

    @pytest.mark.parametrize("place", [1, -1, True, "0", None, [], [0, 0], {}, 10**30, 0.0])
    def test_an_unknown_item_is_refused(self, refused, place):
        found = refused({"tokens": [SECRET]}, {"tokens": [mask(place)]})
        assert found == {"tokens.0": "there is no such item in the stored list"}

    def test_a_mask_in_a_list_needs_its_place(self, refused):
        found = refused({"tokens": [SECRET]}, {"tokens": [MASK]})
        assert found == {"tokens.0": "a masked secret in a list says which item it is"}

    def test_a_place_stands_in_lists_only(self, refused):
        found = refused({"server": {"host": "a"}}, {"server": {"$item": 0, "host": "b"}})
        assert found == {"server": "'$item' stands in objects of lists only"}

    def test_a_null_in_a_list_is_no_place(self, merged):
        assert merged({}, {"options": {"x": [None, 1]}}) == {"options": {"x": [None, 1]}}

    def test_lists_in_a_list_move_with_their_items(self, merged):
        change = {"grid": [[mask([1, 1]), "new", mask([1, 0])], [mask([0, 0])]]}
        assert merged({"grid": [["a"], ["b", "c"]]}, change) == {"grid": [["c", "new", "b"], ["a"]]}

    def test_items_of_two_lists_do_not_mix(self, refused):
        change = {"grid": [[mask([0, 0]), mask([1, 0])]]}
        assert set(refused({"grid": [["a"], ["b"]]}, change)) == {"grid.0"}

    def test_a_list_in_a_list_is_kept_once(self, refused):
        change = {"grid": [[mask([0, 0])], [mask([0, 1])]]}
        assert refused({"grid": [["a", "b"]]}, change) == {"grid.1": "this item was sent twice"}

    def test_a_pair_in_a_list_stays_a_pair(self, merged, refused):
        stored = {"rows": [["a", "1"], ["b", "2"]]}
        change = {"rows": [["c", mask([1, 1])], ["a", mask([0, 1])]]}
        assert merged(stored, change) == {"rows": [["c", "2"], ["a", "1"]]}
        assert set(refused(stored, {"rows": [[mask([0, 1]), "a"]]})) == {"rows.0.0"}

    def test_a_secret_in_a_tuple_stays_at_its_position(self, refused, merged):
        assert merged({"pair": ["a", SECRET]}, {"pair": ["b", mask(1)]}) == {"pair": ["b", SECRET]}
        assert refused({"pair": ["a", SECRET]}, {"pair": [mask(1), "new"]}) == {
            "pair.0": "an item of a tuple cannot move"
        }
        assert len(refused({"twins": ["a", "b"]}, {"twins": [mask(1), mask(0)]})) == 2

    def test_a_list_that_was_something_else_has_no_items(self, refused):
        assert "tokens.0" in refused({"tokens": REFERENCE}, {"tokens": [mask(0)]})


class TestUnions:
    def test_in_the_same_alternative_secrets_are_kept(self, merged):
        stored = {"auth": {"kind": "key", "user": "a", "value": SECRET}}
        expected = {"auth": {"kind": "key", "user": "b", "value": SECRET}}
        assert merged(stored, {"auth": {"user": "b", "value": MASK}}) == expected
        assert merged(stored, {"auth": {"kind": "key", "user": "b"}}) == expected

    def test_a_cleared_tag_is_its_default(self, merged):
        stored = {"auth": {"kind": "key", "user": "a", "value": SECRET}}
        assert merged(stored, {"auth": {"kind": None}}) == stored
        assert merged({"auth": {"kind": "token"}}, {"auth": {"kind": None, "value": "new"}}) == {
            "auth": {"kind": "key", "value": "new"}
        }

    def test_in_another_alternative_nothing_is_kept(self, merged, refused):
        stored = {"auth": {"kind": "key", "user": "a", "value": SECRET}}
        assert merged(stored, {"auth": {"kind": "token"}}) == {"auth": {"kind": "token"}}
        assert "auth.value" in refused(stored, {"auth": {"kind": "token", "value": MASK}})

    def test_an_alternative_is_told_by_its_fields_where_nothing_else_tells(self, merged):
        stored = {"place": {"address": "a@b", "password": SECRET}}
        assert merged(stored, {"place": {"address": "c@d"}}) == {"place": {"address": "c@d", "password": SECRET}}
        change = {"place": {"address": None, "topic": "t"}}
        assert "password" not in merged(stored, change)["place"]

    def test_what_is_required_is_what_the_new_alternative_requires(self, refused):
        stored = {"auth": {"kind": "token", "value": SECRET}}
        assert refused(stored, {"auth": {"kind": "key", "value": None}}) == {
            "auth.value": "is required and cannot be cleared"
        }

    def test_a_value_of_another_form_keeps_nothing(self, merged):
        stored = {"options": {"x": {"$$a": 1}, "y": [1]}}
        assert merged(stored, {"options": {"x": [2], "y": {"b": 1}}}) == {"options": {"x": [2], "y": {"b": 1}}}


class TestBlocksAndReferences:
    INLINE = {"$type": LOGIN, "$version": 1, "user": "a", "password": SECRET}

    def test_an_inline_block_keeps_its_type_and_version(self, merged):
        assert merged({"login": self.INLINE}, {"login": {"user": "b"}}) == {"login": {**self.INLINE, "user": "b"}}

    def test_sent_again_they_are_the_same(self, merged):
        change = {"login": {**self.INLINE, "user": "b", "password": MASK}}
        assert merged({"login": self.INLINE}, change) == {"login": {**self.INLINE, "user": "b"}}

    def test_another_type_keeps_nothing(self, merged, refused, schema_of):
        stored = {"login": {"$type": "other-login", "$version": 1, "password": SECRET}}
        assert merged(stored, {"login": {"$type": LOGIN}}) == {"login": {"$type": LOGIN}}
        assert "login.password" in refused(stored, {"login": {"$type": LOGIN, "password": MASK}})

    def test_what_was_no_block_keeps_nothing_as_one(self, merged):
        stored = {"options": {"x": {"a": 1}}}
        assert merged(stored, {"options": {"x": {"$type": LOGIN}}}) == {"options": {"x": {"$type": LOGIN}}}

    def test_a_reference_replaces_an_inline_block(self, merged):
        assert merged({"login": self.INLINE}, {"login": {"$block": "x"}}) == {"login": {"$block": "x"}}

    def test_an_inline_block_replaces_a_reference(self, merged):
        assert merged({"login": {"$block": "x"}}, {"login": {"$type": LOGIN}}) == {"login": {"$type": LOGIN}}

    def test_a_reference_to_a_store_is_kept_by_its_mask(self, merged):
        source = {"$secret": {"set": True, "source": REFERENCE["$secret"]}}
        assert merged({"password": REFERENCE}, {"password": source}) == {"password": REFERENCE}

    def test_a_field_that_is_no_secret_keeps_its_reference_too(self, merged):
        source = {"$secret": {"set": True, "source": REFERENCE["$secret"]}}
        assert merged({"note": REFERENCE}, {"note": source}) == {"note": REFERENCE}

    def test_a_reference_to_a_store_replaces_a_literal_and_back(self, merged):
        assert merged({"password": SECRET}, {"password": REFERENCE}) == {"password": REFERENCE}
        assert merged({"password": REFERENCE}, {"password": "new"}) == {"password": "new"}

    def test_a_reference_to_a_store_is_no_object_to_change(self, merged):
        assert merged({"server": REFERENCE}, {"server": {"host": "a"}}) == {"server": {"host": "a"}}

    def test_a_document_that_is_a_reference_stays_one(self, schema_of):
        assert merge_document(REFERENCE, {}, SCHEMA, schema_of=schema_of) == REFERENCE
        mask_of_all = editable_document(REFERENCE, SCHEMA, schema_of=schema_of)
        assert merge_document(REFERENCE, mask_of_all, SCHEMA, schema_of=schema_of) == REFERENCE

    @pytest.mark.parametrize("given", [{"$type": None}, {"$type": 5}, {"$type": {}}, {"$type": "nobody-knows"}])
    def test_a_type_is_one_that_the_registry_knows(self, refused, given):
        assert "login" in refused({"login": self.INLINE}, {"login": given})

    @pytest.mark.parametrize("version", [0, -1, 2, 2**40, "1", True, 1.0, {}])
    def test_a_version_is_one_that_the_registry_knows(self, refused, version):
        assert "login" in refused({"login": self.INLINE}, {"login": {"$version": version}})

    def test_a_version_stands_beside_a_type(self, refused):
        assert "server" in refused({"server": {"host": "a"}}, {"server": {"$version": 1}})

    @pytest.mark.parametrize("key", ["$block", "$type", "$version", "$item"])
    def test_a_document_is_no_block_inside_another(self, refused, key):
        assert "" in refused({}, {key: LOGIN})


class TestSchemasThatDiffer:
    @pytest.fixture
    def open_schema_of(self, schema_of):
        """A registry where the password of a login is no secret from version 2 on."""

        def find(slug, number):
            version = schema_of(slug, 1)
            if number in {None, 2}:
                properties = {**version.schema["properties"], "password": {"type": "string"}}
                return replace(version, number=2, schema={**version.schema, "properties": properties})
            return version

        return find

    @staticmethod
    def without_secrets():
        return {**SCHEMA, "properties": {**SCHEMA["properties"], "password": {"type": "string"}}}

    def test_a_secret_is_not_kept_by_a_schema_that_would_show_it(self, schema_of):
        stored = {**LEAST, "password": SECRET}
        with pytest.raises(InvalidDocument) as raised:
            merge_document(stored, {"size": 2}, self.without_secrets(), schema_of=schema_of, former=SCHEMA)
        assert [path for path, _, _ in raised.value.problems] == ["password"]

    def test_cleared_it_goes(self, schema_of):
        stored = {**LEAST, "password": SECRET}
        change = {"password": None}
        assert merge_document(stored, change, self.without_secrets(), schema_of=schema_of, former=SCHEMA) == LEAST

    def test_it_is_kept_where_the_newest_schema_hides_it(self, schema_of):
        stored = {**LEAST, "password": SECRET}
        schemas = (self.without_secrets(), SCHEMA)
        assert merge_document(stored, {}, *schemas, schema_of=schema_of, former=schemas[0]) == stored

    def test_an_inline_block_in_another_version_shows_no_secret_either(self, open_schema_of):
        stored = {**LEAST, "login": {"$type": LOGIN, "$version": 1, "user": "a", "password": SECRET}}
        change = {"login": {"$version": 2}}
        with pytest.raises(InvalidDocument) as raised:
            merge_document(stored, change, SCHEMA, schema_of=open_schema_of)
        assert [path for path, _, _ in raised.value.problems] == ["login.password"]


def test_a_new_document_is_a_change_of_an_empty_one(schema_of):
    change = {"name": "n", "pin": "1", "size": None, "note": None, "tokens": ["a"], "options": {"x": None}}
    made = merge_document({}, change, SCHEMA, schema_of=schema_of)
    assert made == {"name": "n", "pin": "1", "note": None, "tokens": ["a"], "options": {"x": None}}
    assert validate_document(made, SCHEMA, schema_of=schema_of) is None
