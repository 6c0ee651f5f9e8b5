"""What every registry promises of documents whose type changes: its schema, its secrets, its slug."""

# ruff: noqa: D102, PLR2004, S101  a test's name is its sentence, an expected number the specification, assert its verb

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from typecase.blocks.errors import DocumentIsNewer, KindMismatch
from typecase.blocks.records import Change, DocumentFilter, Draft
from typecase.blocks.registry import Registry
from typecase.blocks.schema import definition_of
from typecase.blocks.testing.documents import MASKED, RegistryFixtures
from typecase.blocks.testing.samples import LOGIN, Login, login, pipeline, refer

HEIR = "contract-heir"


def register_login(registry: Registry, fields: Mapping[str, Any], *, slug: str = LOGIN) -> int:
    """Register a login with `fields` in place of some of its own; return the number of the version."""
    definition = definition_of(Login)
    schema = {**definition.schema, "properties": {**definition.schema["properties"], **fields}}
    digest = f"{abs(hash((slug, str(fields)))):064x}"
    return registry.types.register(replace(definition, slug=slug, schema=schema, digest=digest), force=True).number


def heir(name: str, **facts: Any) -> Draft:
    """A draft of the type that a login has become."""
    return Draft(name=name, workspace="default", type_slug=HEIR, schema_version=1, data={"user": "eve"}, **facts)


class EvolutionContract(RegistryFixtures):
    """Older and newer schemas of one type, secrets that were none, slugs of the past."""

    def test_an_older_schema_is_not_saved_over_a_newer_one(self, typed: Registry) -> None:
        newer = register_login(typed, {"realm": {"type": "string"}})
        data = {"user": "ada", "realm": "home"}
        typed.documents.save(Draft(name="db", workspace="default", type_slug=LOGIN, schema_version=newer, data=data))
        older = login("db")
        for draft in (replace(older, overwrite=True), replace(older, expected_revision=1)):
            with pytest.raises(DocumentIsNewer) as raised:
                typed.documents.save(draft)
            assert (raised.value.schema_version, raised.value.newer) == (1, newer)  # type: ignore[attr-defined] # facts
        assert typed.documents.get("db", workspace="default").data == data
        assert typed.documents.save(login("other")).schema_version == 1

    def test_an_older_schema_of_a_block_inside_is_not_saved_over_a_newer_one(self, typed: Registry) -> None:
        newer = register_login(typed, {"realm": {"type": "string"}})
        inner = {"$type": LOGIN, "$version": newer, "user": "ada", "realm": "home"}
        typed.documents.save(pipeline("flow", fields={"login": inner}))
        older = pipeline("flow", fields={"login": {"$type": LOGIN, "$version": 1, "user": "ada"}}, overwrite=True)
        with pytest.raises(DocumentIsNewer) as raised:
            typed.documents.save(older)
        assert (raised.value.schema_version, raised.value.newer) == (1, newer)  # type: ignore[attr-defined] # facts
        assert typed.documents.save(replace(older, name="other")).number == 1
        assert typed.documents.save(pipeline("flow", fields={"login": inner}, overwrite=True)).number == 2

    def test_a_newer_schema_is_saved_over_an_older_one(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        newer = register_login(typed, {"realm": {"type": "string"}})
        saved = typed.documents.save(replace(login("db", expected_revision=1), schema_version=newer))
        assert (saved.number, saved.schema_version) == (2, newer)
        assert typed.documents.get("db", workspace="default", revision=1).schema_version == 1

    def test_a_revision_of_an_older_schema_can_be_restored(self, typed: Registry) -> None:
        typed.documents.save(login("db", user="first"))
        newer = register_login(typed, {"realm": {"type": "string"}})
        typed.documents.save(replace(login("db", overwrite=True), schema_version=newer))
        assert typed.documents.restore("db", workspace="default", revision=1).schema_version == 1
        assert typed.documents.get("db", workspace="default").data["user"] == "first"

    def test_what_the_newest_schema_calls_a_secret_is_one_in_every_revision(self, typed: Registry) -> None:
        typed.documents.save(login("db", user="once-in-clear"))
        typed.documents.save(login("db", user="changed-in-clear", overwrite=True))
        assert typed.documents.get("db", workspace="default").data["user"] == "changed-in-clear"
        newer = register_login(typed, {"user": {"type": "string", "writeOnly": True}})
        for revision in (1, 2, None):
            shown = typed.documents.get("db", workspace="default", revision=revision)
            assert shown.data["user"] == MASKED
        changes = typed.documents.diff("db", workspace="default", before=1, after=2)
        assert changes == (Change(path="user", action="changed", secret=True),)
        typed.documents.save(replace(login("db", overwrite=True), schema_version=newer))
        read = [typed.documents.get("db", workspace="default", revision=number) for number in (1, 2, 3)]
        assert "in-clear" not in repr((read, typed.documents.diff("db", workspace="default", before=1, after=3)))

    def test_what_was_a_secret_stays_one_in_the_revisions_that_had_it(self, typed: Registry) -> None:
        typed.documents.save(login("db"))
        register_login(typed, {"password": {"type": "string"}})
        assert typed.documents.get("db", workspace="default").data["password"] == MASKED

    def test_an_inline_block_is_masked_by_the_newest_schema_of_its_type(self, typed: Registry) -> None:
        typed.documents.save(pipeline("flow", fields={"login": {"$type": LOGIN, "user": "once-in-clear"}}))
        register_login(typed, {"user": {"type": "string", "writeOnly": True}})
        assert typed.documents.get("flow", workspace="default").data["login"]["user"] == MASKED

    def test_a_document_takes_the_slug_that_its_type_has_now(self, typed: Registry) -> None:
        register_login(typed, {}, slug=HEIR)
        first = typed.documents.save(login("db"))
        saved = typed.documents.save(heir("db", former_slugs=(LOGIN,), expected_revision=1))
        assert (saved.document_id, saved.number, saved.type_slug) == (first.document_id, 2, HEIR)
        assert typed.documents.get("db", workspace="default").type_slug == HEIR
        assert typed.load("db", workspace="default").root.type_slug == HEIR
        listed = typed.documents.list(workspace="default", where=DocumentFilter(type_slug=HEIR))
        assert [item.name for item in listed.items] == ["db"]

    def test_a_revision_keeps_the_slug_that_it_was_saved_under(self, typed: Registry) -> None:
        register_login(typed, {"realm": {"type": "string"}})
        register_login(typed, {}, slug=HEIR)
        typed.documents.save(replace(login("db"), schema_version=2))
        saved = typed.documents.save(heir("db", former_slugs=(LOGIN,), overwrite=True))
        for tree in (
            typed.load("db", workspace="default", revision=1),
            typed.load_id(saved.document_id, revision=1),
        ):
            assert (tree.root.type_slug, tree.root.schema_version) == (LOGIN, 2)
        old = typed.documents.get("db", workspace="default", revision=1)
        assert (old.type_slug, old.schema_version) == (LOGIN, 2)
        history = typed.documents.history("db", workspace="default").items
        assert [(item.type_slug, item.schema_version) for item in history] == [(HEIR, 1), (LOGIN, 2)]
        assert [change.path for change in typed.documents.diff("db", workspace="default", before=1, after=2)]

    def test_restoring_gives_the_former_slug_back(self, typed: Registry) -> None:
        register_login(typed, {}, slug=HEIR)
        typed.documents.save(login("db"))
        typed.documents.save(heir("db", former_slugs=(LOGIN,), overwrite=True))
        assert typed.documents.restore("db", workspace="default", revision=1).type_slug == LOGIN
        assert typed.load("db", workspace="default").root.type_slug == LOGIN

    def test_a_slug_that_is_no_former_one_is_refused(self, typed: Registry) -> None:
        register_login(typed, {}, slug=HEIR)
        typed.documents.save(pipeline("flow"))
        with pytest.raises(KindMismatch, match="cannot become"):
            typed.documents.save(heir("flow", former_slugs=(LOGIN,), overwrite=True))

    def test_references_survive_a_change_of_slug(self, typed: Registry) -> None:
        register_login(typed, {}, slug=HEIR)
        target = typed.documents.save(login("db"))
        typed.documents.save(pipeline("flow", fields={"login": refer("db")}))
        typed.documents.save(heir("db", former_slugs=(LOGIN,), overwrite=True))
        assert typed.load("flow", workspace="default").referenced[target.document_id].type_slug == HEIR
        assert [item.name for item in typed.documents.dependents("db", workspace="default")] == ["flow"]
