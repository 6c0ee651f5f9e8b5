"""What the client says of the flow that asks."""

import sys
from types import SimpleNamespace

import pytest

from typecase.blocks.remote.flows import ENGINE, FLOW, RUN, flow_headers

NAMES = ("TYPECASE_FLOW", "TYPECASE_RUN", "AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_DAG_RUN_ID", "DAGSTER_RUN_JOB_NAME")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "prefect.runtime.flow_run", raising=False)


def test_outside_a_flow_nothing_is_said():
    assert flow_headers() == {}


def test_what_is_named_comes_first(monkeypatch):
    monkeypatch.setenv("TYPECASE_FLOW", "nightly")
    monkeypatch.setenv("TYPECASE_RUN", "2026-11-21")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "other")
    assert flow_headers() == {FLOW: "nightly", RUN: "2026-11-21"}


def test_a_task_of_airflow_is_found(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "orders")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_RUN_ID", "scheduled__2026-11-21T00:00:00+00:00")
    assert flow_headers() == {FLOW: "orders", RUN: "scheduled__2026-11-21T00:00:00+00:00", ENGINE: "airflow"}


def test_a_run_of_prefect_is_found_without_importing_it(monkeypatch):
    runtime = SimpleNamespace(id="0" * 32, flow_name="orders", name="quick-fox")
    monkeypatch.setitem(sys.modules, "prefect.runtime.flow_run", runtime)
    assert flow_headers() == {FLOW: "orders", RUN: "quick-fox", ENGINE: "prefect"}


def test_a_name_fits_into_a_header(monkeypatch):
    monkeypatch.setenv("TYPECASE_FLOW", "Aufträge\r\nX-Evil: 1" + "x" * 1000)
    sent = flow_headers()[FLOW]
    assert sent.isascii()
    assert sent.isprintable()
    assert len(sent) <= 3 * 2 * 200
