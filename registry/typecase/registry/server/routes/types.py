"""Block types, schema versions, compatibility."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from typecase.blocks.records import Page, SchemaVersion, TypeDefinition, TypeRecord
from typecase.blocks.remote.requests import RuleChange
from typecase.blocks.verdicts import CompatibilityRule, Verdict
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described
from typecase.registry.server.routes.conditions import Cursor, Limit, Once, Slug

router = APIRouter(tags=["types"])

Force = Annotated[bool, Query(description="Register it even if it breaks a rule; needs an admin of the server.")]
VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the schema version.")]


@router.get("/types", response_model=Page[TypeRecord], responses=described())
def list_types(
    asks: AsksFor,
    search: Annotated[str, Query(max_length=200, description="Text in slug or title.")] = "",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """List block types by slug."""
    return asks.answer(Page[TypeRecord], lambda: asks.registry.types.list(search=search, cursor=cursor, limit=limit))


@router.post("/types", response_model=SchemaVersion, responses=described(409))
def register_type(asks: AsksFor, body: TypeDefinition, *, force: Force = False, _: Once = None) -> Response:
    """Store a block type if it is new, and its schema if it is new and compatible."""
    return asks.answer(SchemaVersion, lambda: asks.registry.types.register(body, force=force))


@router.post("/types/check", response_model=Verdict, responses=described())
def check_type(asks: AsksFor, body: TypeDefinition) -> Response:
    """Say what registering would do, and write nothing."""
    return asks.answer(Verdict, lambda: asks.registry.types.check(body))


@router.get("/types/{slug}", response_model=TypeRecord, responses=described(404))
def get_type(asks: AsksFor, slug: Slug) -> Response:
    """Return one block type with its form."""
    return asks.answer(TypeRecord, lambda: asks.registry.types.get(slug))


@router.get("/types/{slug}/versions", response_model=tuple[SchemaVersion, ...], responses=described(404))
def list_versions(asks: AsksFor, slug: Slug) -> Response:
    """List the schema versions of a type, oldest first."""
    return asks.answer(tuple[SchemaVersion, ...], lambda: asks.registry.types.versions(slug))


@router.get("/types/{slug}/versions/{number}", response_model=SchemaVersion, responses=described(404))
def get_version(asks: AsksFor, slug: Slug, number: VersionNumber) -> Response:
    """Return one schema version."""
    return asks.answer(SchemaVersion, lambda: asks.registry.types.version(slug, number))


@router.get("/compatibility", response_model=CompatibilityRule, responses=described())
def get_default_rule(asks: AsksFor) -> Response:
    """Return the rule of types without one of their own."""
    return asks.answer(CompatibilityRule, asks.registry.types.compatibility)


@router.patch("/compatibility", response_model=CompatibilityRule, responses=described())
def change_default_rule(asks: AsksFor, body: RuleChange, _: Once = None) -> Response:
    """Change the rule of types without one of their own."""
    given = body.given("mode", "policy")
    return asks.answer(CompatibilityRule, lambda: asks.registry.types.set_compatibility(**given))


@router.get("/types/{slug}/compatibility", response_model=CompatibilityRule, responses=described(404))
def get_rule(asks: AsksFor, slug: Slug) -> Response:
    """Return the rule that holds for a type."""
    return asks.answer(CompatibilityRule, lambda: asks.registry.types.compatibility(slug))


@router.patch("/types/{slug}/compatibility", response_model=CompatibilityRule, responses=described(404))
def change_rule(asks: AsksFor, slug: Slug, body: RuleChange, _: Once = None) -> Response:
    """Change the rule of a type; null inherits again."""
    given = body.given("mode", "policy")
    return asks.answer(CompatibilityRule, lambda: asks.registry.types.set_compatibility(**given, slug=slug))
