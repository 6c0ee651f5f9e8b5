"""Threads that write at the same time share a transaction; each learns what became of its own events."""

import os
import threading

import pytest
from fakes.audit_trials import Call

from typecase.blocks.errors import AuditUnavailable
from typecase.registry.audit.events import AuditEvent
from typecase.registry.audit.grouping import Group

A, B, C = (AuditEvent(action=name) for name in "abc")


class Log:
    """Takes what a group writes; the first write waits until it may go on, and `fate` may raise."""

    def __init__(self):
        self.writes, self.count = [], 0
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.fate = lambda _: None
        self.group = Group(self.write, lambda error: f"{type(error).__name__} happened")

    def write(self, events):
        first = not self.writes
        self.writes.append([event.action for event in events])
        if first:
            self.begun.set()
            assert self.may_go_on.wait(60)
        self.fate(events)
        self.count += len(events)
        return tuple(range(self.count - len(events) + 1, self.count + 1))

    def add(self, *events):
        return Call(lambda: self.group.add(events))

    def add_while_the_first_writes(self, *batches):
        """One thread writes `A`; then a thread for each batch waits for it."""
        first = self.add(A)
        assert self.begun.wait(60)
        others = [self.add(*batch) for batch in batches]
        while len(self.group._waiting) < len(batches):
            pass
        return first, *others


def test_those_who_come_meanwhile_are_written_together():
    log = Log()
    first, second, third = log.add_while_the_first_writes([B], [C, C])
    log.may_go_on.set()
    numbers = second.result() + third.result()
    assert first.result() == (1,)
    assert sorted(numbers) == [2, 3, 4]
    assert sorted(map(len, log.writes)) == [1, 3]


def test_each_gets_the_numbers_of_its_own_events():
    log = Log()
    _, second, third = log.add_while_the_first_writes([B, B], [C])
    log.may_go_on.set()
    written = [*log_of(second, "b"), *log_of(third, "c")]
    assert [name for _, name in sorted(written)] == log.writes[1]


def log_of(call, name):
    return [(number, name) for number in call.result()]


def test_a_failure_reaches_everyone_of_the_same_transaction_as_an_error_of_its_own():
    log = Log()
    first, second, third = log.add_while_the_first_writes([B], [C])

    def fate(events):
        if events[0] is not A:
            raise OSError

    log.fate = fate
    log.may_go_on.set()
    assert first.result() == (1,)
    errors = []
    for call in (second, third):
        with pytest.raises(AuditUnavailable) as caught:
            call.result()
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert {error.reason for error in errors} == {"OSError happened"}


def test_after_a_failure_writing_goes_on():
    log = Log()
    log.may_go_on.set()
    log.fate = lambda _: 1 / 0
    with pytest.raises(AuditUnavailable):
        log.group.add([A])
    log.fate = lambda _: None
    assert log.group.add([B]) == (1,)


def test_a_thread_that_dies_while_it_writes_leaves_nobody_waiting():
    log = Log()

    def fate(events):
        if events[0] is A:
            raise SystemExit

    log.fate = fate
    first, second = log.add_while_the_first_writes([B])
    log.may_go_on.set()
    with pytest.raises(SystemExit):
        first.result()
    assert second.result() == (1,)


def test_those_whom_a_dying_thread_wrote_for_are_told_that_it_failed():
    log = Log()
    first, second, third = log.add_while_the_first_writes([B], [C])

    def fate(events):
        if events[0] is not A:
            raise SystemExit

    log.fate = fate
    log.may_go_on.set()
    first.result()
    outcomes = {type(error) for error in (failure(second), failure(third))}
    assert outcomes == {SystemExit, AuditUnavailable}
    assert log.count == 1


def failure(call):
    call.join()
    return call.error


def test_a_thread_that_is_interrupted_while_it_waits_has_nothing_written(monkeypatch):
    log = Log()
    (first,) = log.add_while_the_first_writes()

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(log.group._changed, "wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.group.add([B])
    monkeypatch.undo()
    log.may_go_on.set()
    first.result()
    assert log.group.add([C]) == (2,)
    assert log.writes == [["a"], ["c"]]


def test_a_child_forked_while_a_thread_writes_does_not_wait_for_it():
    log = Log()
    first, second = log.add_while_the_first_writes([B])
    child = os.fork()
    if not child:
        os._exit(0 if log.group.add([C]) == (1,) and log.writes[-1] == ["c"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    log.may_go_on.set()
    assert (first.result(), second.result()) == ((1,), (2,))
