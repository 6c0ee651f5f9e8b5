"""Which flow asks: what the server writes down beside each load."""

import sys
from collections.abc import Mapping
from os import environ
from typing import Any, Final
from urllib.parse import quote

FLOW, RUN, ENGINE = "X-Typecase-Flow", "X-Typecase-Run", "X-Typecase-Engine"

#: Engine, and the variables that hold the names of its flow and run.
_VARIABLES: Final = (
    ("", "TYPECASE_FLOW", "TYPECASE_RUN"),
    ("airflow", "AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_DAG_RUN_ID"),
    ("dagster", "DAGSTER_RUN_JOB_NAME", "DAGSTER_RUN_ID"),
)
_LONGEST: Final = 200


def flow_headers() -> Mapping[str, str]:
    """Return headers that name flow, run and engine; none outside a flow.

    TYPECASE_FLOW and TYPECASE_RUN come first, then what Airflow and Dagster set for their tasks, then the run that
    Prefect is in. No engine is imported.
    """
    for engine, flow, run in _VARIABLES:
        if flow in environ:
            return _headers(environ[flow], environ.get(run, ""), engine)
    runtime: Any = sys.modules.get("prefect.runtime.flow_run")
    if runtime is not None and getattr(runtime, "id", None):
        return _headers(str(runtime.flow_name or ""), str(runtime.name or runtime.id), "prefect")
    return {}


def _headers(flow: str, run: str, engine: str) -> Mapping[str, str]:
    found = {FLOW: flow, RUN: run, ENGINE: engine}
    return {name: quote(value[:_LONGEST], safe=" /:-_.@+") for name, value in found.items() if value}
