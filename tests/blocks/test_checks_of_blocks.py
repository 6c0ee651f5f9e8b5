"""What a check answers."""

from itertools import permutations

import pytest

from typecase.blocks import Block, BlockType, Check, Stage, Status


class Silent(Block):
    __block__ = BlockType(slug="checks-silent")


def check(*outcomes):
    return Check(stages=tuple(Stage(name=str(number), status=status) for number, status in enumerate(outcomes)))


def test_a_block_without_a_check_of_its_own_is_unknown():
    assert Silent().check().status is Status.UNKNOWN
    assert not Silent().check()


@pytest.mark.parametrize("order", list(permutations(Status)))
def test_the_worst_stage_decides_in_any_order(order):
    assert check(*order).status is Status.ERROR


def test_unknown_is_worse_than_ready():
    assert check(Status.READY, Status.UNKNOWN).status is Status.UNKNOWN


def test_only_ready_is_true():
    assert check(Status.READY, Status.READY)
    assert not check(Status.READY, Status.UNKNOWN)
    assert not check(Status.ERROR)


def test_a_status_reads_as_a_word():
    assert [str(status) for status in Status] == ["ready", "unknown", "error"]
