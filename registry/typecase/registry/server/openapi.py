"""What the OpenAPI document says beyond the endpoints' own signatures."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from typecase.registry.server.problems import described

_TEXT: Final = {"type": "string"}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "An error as RFC 9457 problem details. `facts` depend on its type; none shows what was sent.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {**_TEXT, "description": "Names the error.", "examples": ["urn:typecase:error:document-not-found"]},
        "title": {**_TEXT, "description": "What such errors mean."},
        "status": {"type": "integer", "examples": [404]},
        "detail": {**_TEXT, "description": "What happened."},
        "hint": {**_TEXT, "description": "What to do next."},
        "facts": {"type": "object", "additionalProperties": True},
        "request_id": _TEXT,
    },
}


def describe(app: FastAPI) -> None:
    """Complete the OpenAPI document of `app`."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, routes=app.routes, description=_DESCRIPTION)
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = _PROBLEM
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for methods in found["paths"].values():
                for operation in methods.values():
                    _complete(operation)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way


def _complete(operation: dict[str, Any]) -> None:
    """Add the problems that every operation of its sort may answer with."""
    named = {item["name"] for item in operation.get("parameters", ())}
    further = [408, 413] if "requestBody" in operation else []
    further += [409] if "Idempotency-Key" in named else []
    for status, words in described(*further).items() if operation["tags"] != ["health"] else ():
        operation["responses"].setdefault(str(status), words)


_DESCRIPTION: Final = "A registry of typed, encrypted blocks. Only `load` shows secrets."
