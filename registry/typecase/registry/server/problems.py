"""Errors as answers: RFC 9457 problem details that never show what was sent."""

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import JSONResponse

from typecase.blocks.errors import (
    InvalidRequest,
    KeyUnavailable,
    RegistryOutdated,
    RegistrySealed,
    RegistryUnreachable,
    SignInRequired,
    TooManyRequests,
    TypecaseError,
)
from typecase.blocks.remote.problems import MEDIA_TYPE, problem_of

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

_log = logging.getLogger("typecase.server")

#: The first line that names a class or a parent of an error's class decides.
_STATUS: Final[tuple[tuple[int, frozenset[str]], ...]] = (
    (401, frozenset({"SignInRequired"})),
    (403, frozenset({"PermissionDenied"})),
    (
        404,
        frozenset({"DocumentNotFound", "RevisionNotFound", "TypeNotRegistered", "WorkspaceNotFound", "NotFound"}),
    ),
    (405, frozenset({"MethodNotAllowed"})),
    (
        409,
        frozenset(
            {
                "DocumentExists",
                "DocumentInUse",
                "DocumentIsNewer",
                "DuplicateBlockType",
                "IncompatibleSchema",
                "KeyInUse",
                "KindMismatch",
                "RequestConflict",
                "WorkspaceExists",
                "WorkspaceInUse",
            }
        ),
    ),
    (412, frozenset({"RevisionConflict"})),
    (428, frozenset({"PreconditionRequired"})),
    (408, frozenset({"RequestTimeout"})),
    (413, frozenset({"RequestTooLarge"})),
    (429, frozenset({"TooManyRequests"})),
    (501, frozenset({"NotSupported"})),
    (
        503,
        frozenset({"AuditUnavailable", "KeyUnavailable", "RegistryOutdated", "RegistrySealed", "RegistryUnreachable"}),
    ),
    (500, frozenset({"DecryptionFailed", "MissingPackage"})),
    (422, frozenset({"TypecaseError"})),
)


#: Their texts name hosts, users and keys.
_FOR_THE_OPERATOR: Final = (KeyUnavailable, RegistryOutdated, RegistrySealed, RegistryUnreachable)


class Problem(JSONResponse):
    """A problem as an answer."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Write it in ASCII: a path may hold half a surrogate pair, which UTF-8 has no bytes for."""
        return json.dumps(content).encode()


def status_of(error: TypecaseError) -> int:
    """Return the HTTP status of `error`."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return next(status for status, classes in _STATUS if names & classes)


def answer(error: TypecaseError, request_id: str = "", *, whole: bool = False) -> Problem:
    """Return the answer that tells of `error`: of what concerns the server's operator only the sort, unless `whole`."""
    if not whole and isinstance(error, _FOR_THE_OPERATOR):
        _log.warning("%s: %s", type(error).__name__, error, extra={"facts": {"request_id": request_id}})
        error = type(error)((type(error).__doc__ or "").partition("\n")[0], hint="The server's log says more.")
    status = status_of(error)
    content = {**problem_of(error), "status": status, "request_id": request_id}
    return Problem(content, status_code=status, headers=_headers(error))


def install(app: "FastAPI") -> None:
    """Let every error of `app` be answered as a problem."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    app.add_exception_handler(TypecaseError, _typecase_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)


def invalid_request(problems: tuple[tuple[str, str, str], ...]) -> InvalidRequest:
    """Say which parts of a request are not what they must be."""
    lines = "".join(f"\n  {path or '/'}: {sentence}" for path, _, sentence in problems)
    return InvalidRequest(f"The request is not valid:{lines}", hint="\nSee /api/v1/openapi.json.", problems=problems)


async def _typecase_error(request: "Request", error: Any) -> Problem:
    return answer(error, _request_id(request))


async def _invalid_request(request: "Request", error: Any) -> Problem:
    # Only where and why: FastAPI's own answer holds the values of other fields too.
    problems = tuple(
        ("/" + "/".join(str(step) for step in item["loc"]), str(item["type"]), str(item["msg"]))
        for item in error.errors()
    )
    return answer(invalid_request(problems), _request_id(request))


async def _http_error(request: "Request", error: Any) -> Problem:
    titles = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    detail = titles.get(error.status_code, "The request cannot be answered.")
    content = {
        "type": "about:blank",
        "title": detail,
        "detail": detail,
        "hint": "See /api/v1/openapi.json.",
        "facts": {},
        "status": error.status_code,
        "request_id": _request_id(request),
    }
    return Problem(content, status_code=error.status_code, headers=error.headers)


def fault(error: Exception, request_id: str) -> Problem:
    """Return the answer to what should not have happened, which goes to the log."""
    return Problem({**fault_of(error, request_id), "status": 500, "request_id": request_id}, status_code=500)


def fault_of(error: Exception, request_id: str = "") -> dict[str, Any]:
    """Write a fault to the log, and return the problem that tells of it without saying what it was."""
    # Not in its own words: they may quote what was sent, and no mask knows that.
    _log.error("unexpected %s", type(error).__name__, exc_info=error, extra={"facts": {"request_id": request_id}})
    return {
        "type": "about:blank",
        "title": "Internal error",
        "detail": "This is a fault in Typecase. The server's log tells more under the request's id.",
        "hint": "Please report it.",
        "facts": {},
    }


def _request_id(request: "Request") -> str:
    return str(request.scope.get("typecase_request_id", ""))


def _headers(error: TypecaseError) -> Mapping[str, str] | None:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(max(1, round(error.retry_after)))}
    if isinstance(error, SignInRequired):
        return {"WWW-Authenticate": 'Bearer realm="typecase"'}
    return None


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the problems that an operation may answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": _WORDS[status], "content": content} for status in (401, 403, 422, 429, 503, *statuses)
    }


_WORDS: Final = {
    401: "Nobody is signed in, or the token is not valid.",
    403: "The caller may not do this.",
    408: "The request did not arrive in time.",
    404: "There is no such thing, or not for this caller.",
    409: "It exists already, is in use, or breaks a rule of its type.",
    412: "It changed since it was read.",
    413: "The request is too large or too deep.",
    422: "The request is not valid.",
    428: "The change does not say which revision it was made from.",
    429: "Too many requests.",
    503: "The registry is sealed or its database does not answer.",
}
