"""Secret and Json."""

import pytest

from typecase.blocks.errors import InvalidBlock
from typecase.integrations.json import Json
from typecase.integrations.secret import Secret


def test_a_secret_gives_its_value(canary):
    assert Secret(value=canary).get() == canary


def test_a_secret_does_not_show_its_value(canary, assert_no_canary):
    secret = Secret(value=canary)
    assert_no_canary(repr(secret), str(secret), f"{secret}", secret.model_dump_json())


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "text", [1, [2]], {"a": {"b": [None]}}])
def test_json_gives_back_any_json_value(value):
    assert Json(value=value).get() == value


def test_json_refuses_what_is_not_json():
    with pytest.raises(InvalidBlock):
        Json(value=object())


def test_the_form_says_that_json_is_not_secret():
    assert "not treated as secret" in Json.model_json_schema()["properties"]["value"]["description"]
