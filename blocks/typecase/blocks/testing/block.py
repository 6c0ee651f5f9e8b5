"""What every block promises."""

# ruff: noqa: D102, S101  a test's name is its sentence, assert its verb

import copy
import inspect
import json
import logging
import pickle
import socket
from collections.abc import Callable
from typing import Any

import pytest

from typecase.blocks.block import Block
from typecase.blocks.block_type import BlockType, type_of
from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import InvalidBlock, UnsavedSecrets
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.names import validate_name
from typecase.blocks.redaction import Mask, secret_values
from typecase.blocks.registries import use_registry
from typecase.blocks.schema import canonical, definition_of

Assert = Callable[[str | bytes], None]


class BlockContract:
    """Subclass it and give `block`, as an attribute or a fixture: an unsaved block with every secret filled in."""

    block: Any = None

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest) -> Block:
        """A copy of the block under test, so that no test sees another's save."""
        given = self.block if isinstance(self.block, Block) else request.getfixturevalue("block")
        assert isinstance(given, Block), f"{type(self).__name__}.block must be a Block"
        return given.model_copy(deep=True)

    @pytest.fixture
    def assert_hidden(self, subject: Block) -> Assert:
        """Fails for a text that shows a secret of the block in any of its usual encodings."""
        mask = Mask()
        for secret in secret_values(subject):
            mask.add(secret)

        def check(text: str | bytes) -> None:
            shown = text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")
            assert mask.mask(shown) == shown, f"a secret of {type(subject).__name__} is shown"

        return check

    @pytest.fixture
    def no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Turns every use of the network into a failure."""

        def refuse(*_: object, **__: object) -> None:
            message = "a block must not use the network while it is built, validated or described"
            raise AssertionError(message)

        for name in ("connect", "connect_ex", "sendto", "bind"):
            monkeypatch.setattr(socket.socket, name, refuse)
        for name in ("create_connection", "getaddrinfo", "gethostbyname"):
            monkeypatch.setattr(socket, name, refuse)

    def test_it_declares_its_type(self, subject: Block) -> None:
        block_type = type_of(type(subject))
        assert isinstance(block_type, BlockType)
        assert validate_name(block_type.slug, "slug") == block_type.slug

    def test_it_has_a_title_an_icon_and_a_description(self, subject: Block) -> None:
        definition = definition_of(type(subject))
        assert definition.title
        assert definition.icon
        assert definition.description
        assert definition.description != inspect.getdoc(Block), "the docstring is the one of Block"

    def test_it_is_found_by_its_slug(self, subject: Block) -> None:
        assert CATALOG.get(type_of(type(subject)).slug) is type(subject)

    def test_every_field_has_help(self, subject: Block) -> None:
        fields = type(subject).model_fields
        assert [name for name, info in fields.items() if not info.description] == []

    def test_its_example_is_a_block(self, subject: Block) -> None:
        example = type_of(type(subject)).example
        if example is not None:
            assert type(subject).model_validate(example).model_fields_set == set(example)

    def test_the_methods_of_its_kinds_are_there(self, subject: Block) -> None:
        kinds = [base for base in type(subject).__mro__ if "__kind__" in vars(base)]
        required = {name for kind in kinds for name in getattr(kind, "__abstractmethods__", ())}
        assert not inspect.isabstract(type(subject))
        assert [name for name in sorted(required) if not callable(getattr(subject, name))] == []

    def test_the_sample_holds_a_secret_if_its_type_can(self, subject: Block) -> None:
        assert bool(definition_of(type(subject)).secret_paths) == any(secret_values(subject))

    def test_its_schema_is_valid_json_schema(self, subject: Block) -> None:
        from jsonschema import Draft202012Validator

        definition = definition_of(type(subject))
        Draft202012Validator.check_schema(definition.schema)
        Draft202012Validator.check_schema(definition.form)
        assert json.loads(json.dumps(definition.schema)) == definition.schema

    def test_its_schema_is_canonical_and_stable(self, subject: Block) -> None:
        definition = definition_of(type(subject))
        assert canonical(definition.schema) == definition.schema
        assert definition_of.__wrapped__(type(subject)) == definition

    def test_it_cannot_be_changed(self, subject: Block) -> None:
        for name in type(subject).model_fields:
            with pytest.raises(InvalidBlock, match=name):
                setattr(subject, name, getattr(subject, name))

    def test_equal_values_are_equal_blocks(self, subject: Block) -> None:
        assert type(subject)(**vars(subject)) == subject
        assert copy.copy(subject) == subject
        assert copy.deepcopy(subject) == subject

    def test_an_unknown_field_is_refused_without_showing_a_secret(self, subject: Block, assert_hidden: Assert) -> None:
        with pytest.raises(InvalidBlock, match="no_such_field") as raised:
            type(subject)(**vars(subject), no_such_field="anything")
        assert_hidden(f"{raised.value} {raised.value!r} {vars(raised.value)}")

    @pytest.mark.usefixtures("no_network")
    def test_it_is_built_and_described_without_a_network(self, subject: Block) -> None:
        assert type(subject).model_validate({**vars(subject)}) == subject
        assert definition_of.__wrapped__(type(subject)).slug == type_of(type(subject)).slug

    def test_it_comes_back_from_a_registry_as_it_was_saved(self, subject: Block) -> None:
        with use_registry(MemoryRegistry()):
            subject.save("contract")
            loaded = type(subject).load("contract")
            assert loaded == subject
            assert type(loaded) is type(subject)
            assert Block.load(f"{type_of(type(subject)).slug}/contract") == subject

    def test_its_document_shows_no_secret(self, subject: Block, assert_hidden: Assert) -> None:
        registry = MemoryRegistry()
        subject.save("contract", registry=registry)
        assert_hidden(repr(registry.documents.get("contract", workspace="default")))
        assert_hidden(json.dumps(definition_of(type(subject)).form))

    def test_no_text_form_shows_a_secret(self, subject: Block, assert_hidden: Assert) -> None:
        assert_hidden(repr(subject))
        assert_hidden(str(subject))
        assert_hidden(f"{subject} {subject!r} {[subject]} {vars(subject)}")
        assert_hidden(subject.model_dump_json())
        assert_hidden(repr(subject.model_dump()))
        assert_hidden(json.dumps(subject.model_dump(mode="json")))

    def test_a_log_record_shows_no_secret(
        self, subject: Block, assert_hidden: Assert, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            logging.getLogger("contract").info("using %s and %r", subject, subject)
        assert type(subject).__name__ in caplog.text
        assert_hidden(caplog.text)

    def test_a_saved_one_is_pickled_as_a_reference(self, subject: Block, assert_hidden: Assert) -> None:
        with use_registry(MemoryRegistry()):
            subject.save("contract")
            sent = pickle.dumps(subject)
            assert_hidden(sent)
            assert pickle.loads(sent) == subject  # noqa: S301 - made two lines above

    def test_an_unsaved_one_is_pickled_only_without_secrets(self, subject: Block) -> None:
        if any(secret_values(subject)):
            with pytest.raises(UnsavedSecrets, match="Save it first"):
                pickle.dumps(subject)
        else:
            assert pickle.loads(pickle.dumps(subject)) == subject  # noqa: S301 - made here
