"""Data keys. What takes long answers line by line: progress, then the result or a problem."""

import json
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from typecase.blocks.errors import TypecaseError
from typecase.blocks.records import DataKey, KeyEvent, KeyStatus, Rewrapping, Rotation
from typecase.blocks.remote.problems import problem_of
from typecase.blocks.remote.requests import ChangingRootKey, Retiring, Rotating
from typecase.blocks.remote.wire import plain
from typecase.registry.access.permissions import Permission
from typecase.registry.authorized import About
from typecase.registry.server.asks import AsksFor
from typecase.registry.server.problems import described, fault_of

router = APIRouter(tags=["keys"], prefix="/keys")

_LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {}}, "description": "Progress, then the result or a problem."}
}


@router.get("", response_model=KeyStatus, responses=described())
def get_status(asks: AsksFor) -> Response:
    """Say what encrypts this registry and whether it is sealed."""
    return asks.answer(KeyStatus, asks.registry.key_status)


@router.post("/plan", response_model=tuple[Rotation, ...], responses=described(404))
def plan_rotation(asks: AsksFor, body: Retiring) -> Response:
    """Say what a rotation would do."""
    return asks.answer(tuple[Rotation, ...], lambda: asks.registry.keys.plan(body.workspaces))


@router.post("/rotate", responses={**described(404), **_LINES}, response_class=StreamingResponse)
def rotate_keys(asks: AsksFor, body: Rotating) -> Response:
    """Give workspaces a new data key and encrypt every revision again."""
    keys = asks.registry.keys
    asks.asking.require(Permission.KEYS_WRITE, About(action="key.rotate"))
    return _streamed(tuple[Rotation, ...], lambda watch: keys.rotate(body.workspaces, retire=body.retire, watch=watch))


@router.post("/retire", response_model=tuple[DataKey, ...], responses=described(404, 409))
def retire_keys(asks: AsksFor, body: Retiring) -> Response:
    """Destroy every data key but the newest of each workspace."""
    return asks.answer(tuple[DataKey, ...], lambda: asks.registry.keys.retire(body.workspaces))


@router.post("/plan-rewrap", response_model=Rewrapping, responses=described())
def plan_rewrapping(asks: AsksFor, body: ChangingRootKey) -> Response:
    """Say what another root key would change."""
    return asks.answer(Rewrapping, lambda: asks.registry.keys.plan_rewrap(body.url))


@router.post("/rewrap", responses={**described(), **_LINES}, response_class=StreamingResponse)
def rewrap_keys(asks: AsksFor, body: ChangingRootKey) -> Response:
    """Wrap every data key with another root key."""
    keys = asks.registry.keys
    asks.asking.require(Permission.KEYS_WRITE, About(action="key.rewrap"))
    return _streamed(Rewrapping, lambda watch: keys.rewrap(body.url, create=body.create, watch=watch))


@router.get("/events", response_model=tuple[KeyEvent, ...], responses=described())
def list_key_events(asks: AsksFor, limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> Response:
    """List what was done to keys, newest first."""
    return asks.answer(tuple[KeyEvent, ...], lambda: asks.registry.keys.events(limit=limit))


def _streamed(kind: Any, work: Callable[[Callable[[int, int], None]], Any]) -> Response:
    """Answer with the progress of `work` while it goes on. A client that goes away does not stop it."""
    steps: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def run() -> None:
        try:
            result = work(lambda done, of: steps.put({"done": done, "of": of}))
            steps.put({"result": plain(kind, result)})
        except TypecaseError as error:
            steps.put({"problem": problem_of(error)})
        except Exception as error:  # noqa: BLE001 - the answer has begun: only its last line can tell
            steps.put({"problem": fault_of(error)})
        finally:
            steps.put(None)

    Thread(target=run, name="typecase-keys").start()
    return StreamingResponse(_lines(steps), media_type="application/x-ndjson")


def _lines(steps: "SimpleQueue[dict[str, Any] | None]") -> Iterator[bytes]:
    while (step := steps.get()) is not None:
        yield json.dumps(step).encode() + b"\n"
