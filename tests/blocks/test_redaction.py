"""What redaction finds, what it leaves alone, and what it costs."""

import base64
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Secret, SecretBytes, SecretStr

from typecase.blocks import redaction
from typecase.blocks.redaction import (
    Mask,
    RedactingFormatter,
    VendorError,
    clean_cause,
    install,
    redact_exception,
    secret_values,
    uninstall,
    watch,
)

CANARY = "c4n4ry-pa55/w+rd?"
COVER = "**********"

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=8, max_size=60)
free_text = st.text(max_size=40)


def mask_of(*secrets: str | bytes) -> Mask:
    mask = Mask()
    for secret in secrets:
        mask.add(secret)
    return mask


def masked(text: str, *secrets: str | bytes) -> str:
    return mask_of(*(secrets or (CANARY,))).mask(text)


# Forms of a secret


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        json.dumps(CANARY)[1:-1],
        repr(CANARY)[1:-1],
        quote(CANARY),
        quote(CANARY, safe=""),
        quote_plus(CANARY),
        quote(CANARY, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3F", "%3f"),
        CANARY.encode().hex(),
        CANARY.encode().hex().upper(),
    ],
)
def test_a_form_of_a_secret_is_covered_and_its_surroundings_stay(form: str):
    assert masked(f"before <{form}> after") == f"before <{COVER}> after"


@given(secret=printable, before=free_text, after=free_text)
def test_a_secret_inside_any_text_is_gone(secret: str, before: str, after: str):
    assert secret not in masked(before + secret + after, secret)


@given(secret=printable, before=free_text, after=free_text)
def test_a_secret_is_gone_from_every_escaped_or_encoded_text(secret: str, before: str, after: str):
    text = before + secret + after
    octets = text.encode()
    encodings = {
        "json": (json.dumps(text), json.dumps(secret)[1:-1]),
        "open json": (json.dumps(text, ensure_ascii=False), json.dumps(secret, ensure_ascii=False)[1:-1]),
        "url": (quote(text, safe=""), quote(secret, safe="")),
        "url path": (quote(text), quote(secret)),
        "form": (quote_plus(text), quote_plus(secret)),
        "hex": (octets.hex(), secret.encode().hex()),
        "upper hex": (octets.hex().upper(), secret.encode().hex().upper()),
    }
    mask = mask_of(secret)
    left = [name for name, (whole, form) in encodings.items() if form in mask.mask(whole)]
    assert left == []


@given(secret=printable, before=free_text, after=free_text)
def test_a_secret_is_gone_from_the_repr_of_a_text_or_bytes_whatever_quotes_it_has(secret: str, before: str, after: str):
    text = before + secret + after
    mask = mask_of(secret)
    for whole in (repr(text), ascii(text), repr(text.encode())):
        assert COVER in mask.mask(whole)
        assert secret not in mask.mask(whole)


@given(secret=printable, before=st.binary(max_size=7), after=st.binary(max_size=7), url_safe=st.booleans())
def test_no_character_of_a_base64_text_that_holds_bits_of_the_secret_is_left(
    secret: str, before: bytes, after: bytes, url_safe: bool
):
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    whole = encode(before + secret.encode() + after).decode()
    first = 8 * len(before) // 6
    last = -(-8 * (len(before) + len(secret)) // 6)

    head, *middle, tail = masked(whole, secret).split(COVER)

    assert (len(head) <= first, len(tail) <= len(whole) - last) == (True, True)
    assert len(head + "".join(middle) + tail) <= len(whole) - (last - first)


def test_http_basic_credentials_are_covered_at_every_length_of_the_user_name():
    for user in ("a", "ab", "abc", "abcd"):
        header = "Basic " + base64.b64encode(f"{user}:{CANARY}".encode()).decode()
        whole = header.removeprefix("Basic ")
        clear = whole[: 8 * len(f"{user}:") // 6]
        assert masked(header) == f"Basic {clear}{COVER}" + "=" * whole.count("=")


@given(secret=st.binary(min_size=8, max_size=40), before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_secret_bytes_are_gone_from_repr_hex_and_base64(secret: bytes, before: bytes, after: bytes):
    assume(len(secret.strip()) >= 4)
    whole = before + secret + after
    mask = mask_of(secret)
    assert COVER in mask.mask(repr(whole))
    assert len(mask.mask(whole.hex()).replace(COVER, "")) <= len((before + after).hex())
    assert COVER in mask.mask(base64.b64encode(whole).decode())


def test_bytes_that_are_text_are_covered_as_text():
    assert masked("key is s3cret-bytes!", b"s3cret-bytes") == f"key is {COVER}!"


@pytest.mark.parametrize("secret", ["pässwörd-ßecret", "密码是非常秘密的", "pass\U0001f511word", "lone\ud800surrogate"])
def test_a_unicode_secret_is_covered_raw_and_escaped(secret: str):
    texts = [secret, json.dumps(secret), ascii(secret), quote(secret.encode("utf-8", "surrogatepass"))]
    assert [masked(text, secret).strip("'\"") for text in texts] == [COVER] * 4


def test_a_latin_1_basic_header_is_covered():
    header = base64.b64encode("me:pässwörd-ßecret".encode("latin-1")).decode()
    assert len(masked(header, "pässwörd-ßecret").replace(COVER, "")) <= 5


def test_a_repr_inside_json_is_covered():
    secret = "quo\"te\\slash'tick"
    assert COVER in masked(json.dumps({"message": f"failed with {secret!r}"}), secret)


def test_each_long_line_of_a_secret_with_many_lines_is_covered():
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nshort\n-----END PRIVATE KEY-----\n"
    text = "got line 'MIIEvQIBADANBgkqhkiG9w0BAQ' after -----BEGIN PRIVATE KEY----- and short"
    assert masked(text, pem) == f"got line '{COVER}' after -----BEGIN PRIVATE KEY----- and short"


def test_a_secret_read_from_a_file_is_covered_without_its_line_end():
    assert masked("password=hunter2hunter2;", "hunter2hunter2\n") == f"password={COVER};"


def test_the_password_of_a_secret_url_is_covered_on_its_own():
    assert masked("FATAL: p@ss!word refused", "postgresql://me:p%40ss!word@db/x") == f"FATAL: {COVER} refused"


# What is left alone


def test_a_secret_of_three_characters_is_not_masked():
    assert masked("abc and abc", "abc") == "abc and abc"


def test_a_secret_of_four_characters_is_masked():
    assert masked("is abcd", "abcd") == f"is {COVER}"


def test_white_space_is_not_masked():
    assert masked("    indented", "    ") == "    indented"


def test_base64_forms_of_fewer_than_six_characters_are_not_used():
    inner = base64.b64encode(b"abcd")[:5].decode()
    assert masked(f"x {inner} y", "abcd") == f"x {inner} y"


def test_a_text_without_secrets_stays_the_same_object():
    text = "nothing to see"
    assert masked(text) is text


# Overlaps


def test_the_longest_of_secrets_that_begin_alike_wins():
    assert masked("x secret-long-tail y", "secret", "secret-long-tail") == f"x {COVER} y"


def test_secrets_that_overlap_are_covered_from_the_first_to_the_last_character():
    assert masked("x abcdefghijk y", "abcdef", "cdefghijk") == f"x {COVER} y"


def test_a_secret_inside_another_does_not_uncover_the_rest():
    assert masked("x outer-inner-outer y", "inner", "outer-inner-outer") == f"x {COVER} y"


# What it costs: counted, not timed


def python_calls(action) -> int:
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


def python_lines(action) -> int:
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def fill(mask: Mask, count: int) -> None:
    for number in range(count):
        mask.add(f"sk_live_{number:08d}")
    mask.mask("")


def test_adding_ten_times_the_secrets_takes_ten_times_the_work():
    few, many = (python_calls(lambda count=count: fill(Mask(), count)) for count in (200, 2000))
    assert few * 9 < many < few * 11


def test_masking_a_text_takes_the_same_work_with_ten_and_with_ten_thousand_secrets():
    text = "\n".join(f"line {number} with sk_live_{number:08d} and sk_live_none" for number in range(10))
    work = []
    for count in (10, 10_000):
        mask = Mask()
        fill(mask, count)
        work.append(python_lines(lambda mask=mask: mask.mask(text)))
    assert work[1] <= work[0] * 1.2


def test_secrets_that_come_between_two_texts_cost_only_themselves():
    mask = Mask()
    fill(mask, 2000)

    def one_more(number: int) -> None:
        mask.add(f"sk_test_{number:08d}")
        mask.mask("")

    fresh = Mask()
    fill(fresh, 1)
    first = python_calls(lambda: fresh.add("sk_test_00000001") or fresh.mask(""))
    assert python_calls(lambda: one_more(1)) <= first + 10


def test_adding_a_secret_again_adds_no_form():
    mask = mask_of(CANARY)
    mask.mask("")

    def held() -> int:
        return sum(len(bucket.forms) for bucket in mask._buckets.values())

    before = held()
    for _ in range(100):
        mask.add(CANARY)
        mask.mask("")
    assert held() == before
    assert mask._fresh == []


def test_the_repr_of_a_mask_shows_no_secret():
    assert repr(mask_of(CANARY)) == "<Mask of 1 secrets>"


def test_threads_that_add_and_mask_never_see_their_own_secret():
    mask = Mask()
    leaks: list[str] = []

    def work(worker: int) -> None:
        for number in range(100):
            secret = f"thread-{worker}-secret-{number}"
            mask.watch((worker, number), [SecretStr(secret)])
            if secret in mask.mask(f"log {secret} end"):
                leaks.append(secret)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert leaks == []


def test_importing_what_a_load_needs_leaves_the_log_formatter_alone():
    script = (
        "import sys; from typecase.blocks import redaction; before = 'typecase.blocks.redaction.logs' in sys.modules;"
        "redaction.install; print(before, 'typecase.blocks.redaction.logs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forked_while_another_thread_masks_can_mask():
    script = """
import os, threading
from typecase.blocks.redaction import MASK
held, done = threading.Event(), threading.Event()
def hold():
    with MASK._lock:
        held.set()
        done.wait()
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    MASK.add("forked-canary")
    print(MASK.mask("a forked-canary"), flush=True)
    os._exit(0)
os.waitpid(child, 0)
done.set()
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == f"a {COVER}\n"


# Watched blocks


class Login(BaseModel):
    user: str = "me"
    password: SecretStr = SecretStr(CANARY)


def test_the_secrets_of_a_watched_block_are_covered():
    mask = Mask()
    mask.watch("key", Login())
    assert mask.mask(f"me uses {CANARY}") == f"me uses {COVER}"


def test_watching_computes_nothing_until_a_text_is_masked():
    mask = Mask()
    mask.watch("key", Login())
    assert (mask._known, mask._buckets) == (set(), {})


def test_watching_one_key_often_holds_one_block():
    mask = Mask()
    for _ in range(1000):
        mask.watch("key", Login())
    assert len(mask._watched) == 1


def test_a_block_is_released_once_its_secrets_are_collected():
    mask = Mask()
    mask.watch("key", Login())
    mask.mask("")
    assert mask._watched == {}


def test_watch_feeds_the_mask_of_the_process():
    watch(object(), [SecretStr("process-wide-canary")])
    assert redaction.MASK.mask("a process-wide-canary") == f"a {COVER}"


# Finding secrets in values


class Colour(Enum):
    RED = "red-colour"


@dataclass
class Plain:
    token: SecretStr
    name: str = "visible"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)
    field: Any = None
    _hidden: Any = None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("not a secret", []),
        (SecretStr("a"), ["a"]),
        (SecretBytes(b"a"), [b"a"]),
        (Secret("a"), ["a"]),
        (Secret(42), ["42"]),
        (Secret(Decimal("4.2")), ["4.2"]),
        (Secret(True), []),
        (Secret(None), []),
        (Secret(Colour.RED), ["red-colour"]),
        (Secret(["a", {"name": "b"}, (b"c",)]), ["a", "b", b"c"]),
        (Secret(Login(user="u")), ["u", CANARY]),
        (Secret(SecretStr("a")), ["a"]),
        ([SecretStr("a"), (SecretStr("b"), {SecretStr("c")}), frozenset({SecretStr("d")})], ["a", "b", "c", "d"]),
        ({SecretStr("key"): SecretStr("value"), "plain": "plain"}, ["key", "value"]),
        (Login(), [CANARY]),
        (Open(field={"x": [Login()]}), [CANARY]),
        (Open.model_validate({"surplus": SecretStr("a")}), ["a"]),
        (Plain(SecretStr("a")), ["a"]),
        (Login, []),
        (None, []),
    ],
)
def test_secret_values_finds_exactly_the_secrets(value: object, found: list[str | bytes]):
    assert sorted(map(repr, secret_values(value))) == sorted(map(repr, found))


def test_secret_values_looks_into_private_attributes():
    model = Open()
    model._hidden = SecretStr("a")
    assert list(secret_values(model)) == ["a"]


def test_secret_values_survives_cycles():
    ring: list[object] = [SecretStr("a")]
    ring.append(ring)
    assert list(secret_values(ring)) == ["a"]


def test_secret_values_survives_any_depth():
    value: object = SecretStr("deep")
    for _ in range(100_000):
        value = [value]
    assert list(secret_values(value)) == ["deep"]


def test_a_list_that_stands_in_a_plain_and_in_a_secret_field_is_secret():
    shared = ["a"]
    for order in ([shared, Secret(shared)], [Secret(shared), shared]):
        assert list(secret_values(order)) == ["a"]


def test_a_lazy_secret_is_not_resolved():
    class Lazy(SecretStr):
        def __init__(self) -> None:
            pass

        def get_secret_value(self) -> str:
            raise AssertionError("was resolved")

    assert list(secret_values([Lazy()])) == []


# Logging


@pytest.fixture
def logger():
    logger = logging.getLogger("redaction-canary")
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    yield logger
    logger.handlers.clear()
    logger.propagate = True


def output(logger: logging.Logger, number: int = 0) -> str:
    handler = logger.handlers[number]
    assert isinstance(handler, logging.StreamHandler)
    return handler.stream.getvalue()


def fail(secret: str) -> None:
    raise ValueError(f"bad password {secret}")


def log_message(logger):
    logger.error("connecting with " + CANARY)  # noqa: G003 - what users do


def log_argument(logger):
    logger.error("connecting with %s", CANARY)


def log_mapping(logger):
    logger.error("connecting with %(password)s", {"password": CANARY})


def log_exception(logger):
    try:
        fail(CANARY)
    except ValueError:
        logger.exception("failed")


def log_chained_exceptions(logger):
    try:
        try:
            fail(CANARY)
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logger.exception("failed")


def log_stack(logger):
    logger.error("stack", stack_info=True)  # c4n4ry-pa55/w+rd? is in this source line


def log_unformattable(logger):
    logger.error("port is %d", CANARY)


@pytest.mark.parametrize(
    "log",
    [
        log_message,
        log_argument,
        log_mapping,
        log_exception,
        log_chained_exceptions,
        log_stack,
        log_unformattable,
    ],
)
def test_a_record_is_written_whole_and_without_the_secret(logger, log, capfd):
    install(logger, mask=mask_of(CANARY))
    log(logger)
    assert COVER in output(logger)
    assert CANARY not in output(logger) + "".join(capfd.readouterr())


def test_an_extra_field_in_the_format_is_masked(logger):
    logger.handlers[0].setFormatter(logging.Formatter("%(message)s %(dsn)s"))
    install(logger, mask=mask_of(CANARY))
    logger.error("connecting", extra={"dsn": f"me:{CANARY}@db"})
    assert output(logger) == f"connecting me:{COVER}@db\n"


def test_the_output_of_a_json_formatter_stays_json(logger):
    class JsonFormatter(logging.Formatter):
        def format(self, record):
            return json.dumps({"message": record.getMessage(), "error": self.formatException(record.exc_info)})

    secret = 'with "quotes" and \\ and ü'
    logger.handlers[0].setFormatter(JsonFormatter())
    install(logger, mask=mask_of(secret))
    try:
        fail(secret)
    except ValueError:
        logger.exception("failed with %s", secret)
    written = json.loads(output(logger))
    assert written["message"] == f"failed with {COVER}"
    assert written["error"].endswith(f"ValueError: bad password {COVER}")


def test_a_traceback_that_another_handler_cached_is_masked(logger):
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    logger.handlers[1].setFormatter(RedactingFormatter(mask=mask_of(CANARY)))
    log_exception(logger)
    assert CANARY in output(logger, 0)
    assert CANARY not in output(logger, 1)


def test_no_clear_traceback_is_left_on_the_record():
    try:
        fail(CANARY)
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, "p", 1, "at %s", (CANARY,), sys.exc_info())
    before = dict(vars(record))
    RedactingFormatter(mask=mask_of(CANARY)).format(record)
    assert vars(record) == before


def test_the_parts_that_handlers_ask_a_formatter_for_are_masked():
    formatter = RedactingFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y"), mask=mask_of(CANARY))
    record = logging.makeLogRecord({"msg": CANARY, "message": CANARY, "asctime": "now"})
    try:
        fail(CANARY)
    except ValueError:
        trace = formatter.formatException(sys.exc_info())
    parts = [formatter.formatMessage(record), trace, formatter.formatStack(f"Stack: {CANARY}")]
    assert [CANARY in part or COVER not in part for part in parts] == [False, False, False]
    assert (formatter.usesTime(), formatter.datefmt, len(formatter.formatTime(record, "%Y"))) == (True, "%Y", 4)


def test_install_twice_wraps_once(logger):
    mask = mask_of(CANARY)
    install(logger, mask=mask)
    first = logger.handlers[0].formatter
    install(logger, mask=mask)
    assert logger.handlers[0].formatter is first


def test_install_with_a_second_mask_applies_both(logger):
    install(logger, mask=mask_of("first-secret"))
    install(logger, mask=mask_of("second-secret"))
    logger.error("first-secret, second-secret")
    assert output(logger) == f"{COVER}, {COVER}\n"


def test_uninstall_gives_the_formatter_back(logger):
    own = logging.Formatter("%(message)s!")
    logger.handlers[0].setFormatter(own)
    install(logger, mask=mask_of("first-secret"))
    install(logger, mask=mask_of("second-secret"))
    uninstall(logger)
    assert logger.handlers[0].formatter is own


def test_install_covers_the_handler_of_last_resort_of_a_process_that_configured_no_logging():
    script = (
        "import logging; from typecase.blocks.redaction import MASK, install;"
        f"MASK.add({CANARY!r}); install(); logging.getLogger('app').error({CANARY!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == f"{COVER}\n"


# Exceptions


def chained(secret: str) -> BaseException:
    try:
        try:
            fail(secret)
        except ValueError as error:
            raise ConnectionError(f"cannot reach me:{secret}@db") from error
    except ConnectionError as error:
        return error
    raise AssertionError


def test_redact_exception_tells_the_chain_masked():
    told = redact_exception(chained(CANARY), [CANARY])
    assert told == f"ConnectionError: cannot reach me:{COVER}@db; caused by ValueError: bad password {COVER}"


def test_redact_exception_leaves_a_suppressed_context_out():
    error = chained(CANARY)
    error.__cause__ = None
    error.__suppress_context__ = True
    assert "caused by" not in redact_exception(error, [CANARY])


def test_redact_exception_survives_a_chain_that_bites_its_tail():
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__cause__ = second, first
    assert redact_exception(first) == "ValueError: one; caused by ValueError: two"


def test_redact_exception_survives_a_broken_str():
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError(CANARY)

    assert redact_exception(Broken()).endswith("Broken: (its message cannot be read)")


def test_redact_exception_tells_notes_and_group_members():
    group = ExceptionGroup("both", [ValueError(CANARY), KeyError("k")])
    group.add_note(f"note {CANARY}")
    told = redact_exception(group, [CANARY])
    assert told == f"ExceptionGroup: both (2 sub-exceptions); note {COVER}; ValueError: {COVER}; KeyError: 'k'"


def test_redact_exception_never_quotes_what_pydantic_was_given():
    class Port(BaseModel):
        port: int

    with pytest.raises(ValueError, match="port") as caught:
        Port.model_validate({"port": CANARY * 20})
    told = redact_exception(caught.value)
    assert told.endswith("port: Input should be a valid integer, unable to parse string as an integer")
    assert CANARY[:6] not in told


def test_clean_cause_names_the_vendor_type_and_masks_its_message():
    cause = clean_cause(json.JSONDecodeError(f"bad {CANARY}", "doc", 0), [CANARY])
    assert str(cause) == f"json.decoder.JSONDecodeError: bad {COVER}: line 1 column 1 (char 0)"


def test_clean_cause_keeps_no_frame_no_chain_and_no_clear_text():
    cause = clean_cause(chained(CANARY), [CANARY])
    assert (cause.__traceback__, cause.__cause__, cause.__context__) == (None, None, None)
    assert CANARY not in repr(vars(cause)) + repr(cause) + str(cause.args)


def test_clean_cause_of_a_clean_cause_keeps_the_vendor_type():
    assert clean_cause(clean_cause(KeyError("k"))).vendor_type == "KeyError"


def test_a_vendor_error_survives_pickling():
    error = pickle.loads(pickle.dumps(VendorError("psycopg.Error", "refused")))
    assert (error.vendor_type, error.message) == ("psycopg.Error", "refused")


def driver_call(password: str) -> None:
    local_copy = password + "."
    raise OSError(f"login with {local_copy} failed")


def test_a_traceback_with_local_variables_shows_nothing_of_a_clean_cause():
    cause = None
    try:
        driver_call(CANARY)
    except OSError as error:
        cause = clean_cause(error, [CANARY])
    try:
        raise ConnectionError("the database refused") from cause
    except ConnectionError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "builtins" not in shown
    assert f"OSError: login with {COVER}. failed" in shown
    assert CANARY not in shown
