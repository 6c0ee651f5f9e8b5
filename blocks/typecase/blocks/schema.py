"""JSON Schema of block classes: canonical for the registry, complete for forms, with every secret marked."""

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, SecretBytes
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticSerializationError, core_schema

from typecase.blocks.block_type import kinds_of, type_of
from typecase.blocks.catalog import CATALOG, LOCAL
from typecase.blocks.dict_keys import KeyLost, refuse_keys
from typecase.blocks.errors import InvalidBlockType
from typecase.blocks.fields import FORM_KEY
from typecase.blocks.migrations import migrations_of
from typecase.blocks.records import SchemaVersion, TypeDefinition

if TYPE_CHECKING:
    from typecase.blocks.block import Block

BLOCK_KEY: Final = "x-typecase-block"
KIND_KEY: Final = "x-typecase-kind"
#: Slugs that a block type in a field had before; in forms only.
ALIASES_KEY: Final = "x-typecase-aliases"

_NOTES: Final = frozenset({"title", "description", "examples", "deprecated", "$comment", FORM_KEY, ALIASES_KEY})
_NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_LISTED: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE: Final = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames"})


class BlockSchema(GenerateJsonSchema):
    """pydantic's generator, with `writeOnly` on every kind of secret and blocks marked by slug or kind."""

    ignored_warning_kinds: Final = {"skipped-choice", "non-serializable-default"}  # type: ignore[misc]  # fixed here
    _shared: Mapping[str, core_schema.CoreSchema] = MappingProxyType({})

    def json_or_python_schema(self, schema: core_schema.JsonOrPythonSchema) -> JsonSchemaValue:
        """Mark `Secret[T]`, which pydantic leaves unmarked."""
        json_schema = super().json_or_python_schema(schema)
        function = schema.get("serialization", {}).get("function")
        if getattr(function, "__module__", "") == "pydantic.types" and "secret" in getattr(function, "__name__", ""):
            return {**json_schema, "writeOnly": True}
        return json_schema

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Mark the text form of a decimal: not every text is one."""
        json_schema = super().decimal_schema(schema)
        return {
            key: [{**item, "format": "decimal"} if item.get("type") == "string" else item for item in value]
            if key == "anyOf"
            else value
            for key, value in json_schema.items()
        }

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Mark blocks in fields: `x-typecase-block` for a type, `x-typecase-kind` for any block of a kind."""
        from typecase.blocks.block import Block

        cls = schema["cls"]
        if not issubclass(cls, Block):
            return super().model_schema(schema)
        if inspect.isabstract(cls) or "__block__" not in vars(cls):
            return {"type": "object", KIND_KEY: vars(cls).get("__kind__", "Block"), "title": cls.__name__}
        block_type = type_of(cls)
        former = {ALIASES_KEY: list(block_type.aliases)} if block_type.aliases else {}
        shown = {"examples": [dict(block_type.example)]} if block_type.example is not None else {}
        return {**super().model_schema(schema), BLOCK_KEY: block_type.slug, **former, **shown}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Refuse keys that would not come back from the text that JSON makes of them."""
        refuse_keys(schema.get("keys_schema"), self._shared)
        return super().dict_schema(schema)

    def definitions_schema(self, schema: core_schema.DefinitionsSchema) -> JsonSchemaValue:
        """Remember what is defined once and used in several places."""
        self._shared = {item["ref"]: item for item in schema["definitions"] if "ref" in item}
        return super().definitions_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        """Leave defaults that hold a secret out of the schema, and those that would have to be fetched."""
        from typecase.blocks.dumping import holds_literal_secret
        from typecase.blocks.secrets.placeholders import no_fetching

        if holds_literal_secret(dft):
            raise PydanticSerializationError("a secret default")
        with no_fetching():
            return super().encode_default(dft)


@lru_cache(maxsize=1024)
def definition_of(cls: "type[Block]") -> TypeDefinition:
    """Return what a registry stores of the block type `cls`.

    Raises `InvalidBlockType` when `cls` declares no type, or has a field that would not come back as it was saved:
    a secret or a plain value of the same JSON type, a secret key of a dict, bytes in a model without base64.
    """
    block_type = type_of(cls)
    form = _form_of(cls)
    _refuse_ambiguous(cls, form)
    _hide_defaults(form)
    _refuse_raw_bytes(cls, cls, {cls})
    schema = canonical(form)
    paths = tuple(sorted(set(secret_paths(schema))))
    kinds = kinds_of(cls)
    entry = CATALOG.entry(block_type.slug)
    top = cls.__module__.partition(".")[0]
    package = entry.package if entry is not None and _is_declared(cls, entry.target) else _package_of(top)
    return TypeDefinition(
        slug=block_type.slug,
        title=block_type.title,
        description=(inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " "),
        icon=block_type.icon,
        docs=block_type.docs,
        kinds=kinds,
        package=package,
        package_version=_version_of(package),
        schema=schema,
        form=form,
        secret_paths=paths,
        digest=digest(schema, paths, kinds),
        migrates_through=max((step.from_version for step in migrations_of(cls, block_type.slug, 1)), default=0),
    )


def _form_of(cls: "type[Block]") -> dict[str, Any]:
    try:
        return cls.model_json_schema(by_alias=False, schema_generator=BlockSchema)
    except PydanticInvalidForJsonSchema as error:
        reason, hint = error.message, "Use types that JSON can express: the document is stored as JSON."
    except PydanticUndefinedAnnotation as error:
        reason, hint = error.message, "Define the type of that field in the module of the block."
    except KeyLost as error:
        reason, hint = str(error), "Use texts, numbers, dates or an enum of texts as keys: JSON has no others."
    except PydanticUserError as error:
        reason, hint = error.message, "Define the types that the fields name, at the top of the module."
    raise InvalidBlockType(f"{cls.__qualname__} has no JSON Schema: {reason}.", hint=hint)


def canonical(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` without what only people read, keys sorted: equal schemas are equal texts."""
    result: dict[str, Any] = {}
    for key in sorted(schema):
        value = schema[key]
        if key in _NOTES:
            continue
        if key in _NAMED and isinstance(value, Mapping):
            result[key] = {name: canonical(value[name]) for name in sorted(value)}
        elif key in _LISTED:
            result[key] = [canonical(item) for item in value]
        elif key in _SINGLE and isinstance(value, Mapping):
            result[key] = canonical(value)
        elif key == "required":
            result[key] = sorted(value)
        else:
            result[key] = value
    return result


def digest(schema: Mapping[str, Any], paths: tuple[str, ...], kinds: tuple[str, ...]) -> str:
    """Return the SHA-256 (hex) that a schema version is addressed by."""
    content = {"schema": schema, "secret_paths": list(paths), "kinds": list(kinds)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def secret_paths(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield where secrets stand: dotted, `*` for any list item or key; a recursive model is followed once."""
    yield from _paths(schema, schema, "", frozenset())


def follow(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `schema` with a local `$ref` replaced by its target; keywords beside the `$ref` are kept."""
    for _ in range(100):
        ref = schema.get("$ref")
        if not isinstance(ref, str) or not ref.startswith("#/$defs/"):
            break
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        target = root["$defs"][ref.removeprefix("#/$defs/")]
        schema = {**target, **beside} if beside else target
    return schema


def children(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the schemas of properties, items and values below `schema` with the path segment of each."""
    for name, item in schema.get("properties", {}).items():
        yield name, item
    for index, item in enumerate(schema.get("prefixItems", ())):
        yield str(index), item
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield "*", schema[key]
    for item in schema.get("patternProperties", {}).values():
        yield "*", item


def branches(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the alternatives of `schema` and the parts that it must also meet."""
    for key in ("anyOf", "oneOf", "allOf"):
        yield from schema.get(key, ())


def _paths(schema: Mapping[str, Any], root: Mapping[str, Any], at: str, seen: frozenset[str]) -> Iterator[str]:
    ref = schema.get("$ref")
    if isinstance(ref, str):
        if ref in seen:
            return
        seen |= {ref}
    schema = follow(schema, root)
    if schema.get("writeOnly"):
        yield at
        return
    for branch in branches(schema):
        yield from _paths(branch, root, at, seen)
    for name, child in children(schema):
        yield from _paths(child, root, f"{at}.{name}" if at else name, seen)


def _refuse_ambiguous(cls: type, schema: Mapping[str, Any]) -> None:
    for node in (schema, *schema.get("$defs", {}).values()):
        for name, field_schema in node.get("properties", {}).items():
            if _is_secret_key(field_schema):
                message = f"{cls.__qualname__}: field {name!r} has keys that are secrets."
                raise InvalidBlockType(message, hint="Keep secrets in values: keys are shown.")
            options = [follow(option, schema) for key in ("anyOf", "oneOf") for option in field_schema.get(key, ())]
            secret = {option.get("type") for option in options if option.get("writeOnly")}
            plain = {option.get("type") for option in options if not option.get("writeOnly")}
            if secret & plain:
                message = f"{cls.__qualname__}: field {name!r} may be a secret or the same kind of value in clear."
                raise InvalidBlockType(message, hint="Make every alternative secret: it would load as plain text.")


def _hide_defaults(schema: Mapping[str, Any]) -> None:
    """Drop defaults that hold a secret in clear, as a field `password: SecretStr = "..."` would have."""
    from typecase.blocks.documents.masking import Node, mask_value

    for node in (schema, *schema.get("$defs", {}).values()):
        for field_schema in node.get("properties", {}).values():
            default = field_schema.get("default")
            if default is not None and mask_value(default, Node([(field_schema, schema)], _no_types)) != default:
                del field_schema["default"]


def _no_types(slug: str, _: int | None) -> SchemaVersion:
    raise InvalidBlockType(f"A default holds a {slug} block as JSON.", hint="Give the block itself as the default.")


def _is_secret_key(schema: Mapping[str, Any]) -> bool:
    keys = schema.get("propertyNames", {})
    return bool(keys.get("writeOnly")) or any(
        _is_secret_key(below) for below in (*branches(schema), *(child for _, child in children(schema)))
    )


def _refuse_raw_bytes(cls: type, annotation: Any, seen: set[Any]) -> None:
    """Refuse models that would read the base64 of their bytes as if it were the bytes themselves."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        readable = annotation.model_config.get("val_json_bytes") == "base64"
        for info in annotation.__pydantic_fields__.values():
            for part in _parts(info.annotation):
                if part in (bytes, SecretBytes) and not readable:
                    message = f"{cls.__qualname__} holds a {annotation.__qualname__}, whose bytes would not come back."
                    options = "ser_json_bytes='base64', val_json_bytes='base64'"
                    hint = f"Give {annotation.__qualname__} `model_config = ConfigDict({options})`."
                    raise InvalidBlockType(message, hint=hint)
                if isinstance(part, type) and part not in seen:
                    seen.add(part)
                    _refuse_raw_bytes(cls, part, seen)


def _parts(annotation: Any) -> Iterator[Any]:
    annotation = getattr(annotation, "__value__", annotation)
    yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def _is_declared(cls: type, target: str) -> bool:
    """Tell whether `target` is where `cls` is, or a package above that re-exports it."""
    module, _, name = target.partition(":")
    return cls.__qualname__ == name and f"{cls.__module__}.".startswith(f"{module}.")


@lru_cache(maxsize=256)
def _package_of(top: str) -> str:
    owners = packages_distributions().get(top, ())
    return owners[0] if len(owners) == 1 else LOCAL


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
