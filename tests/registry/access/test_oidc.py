"""Signing in by OpenID Connect, and every way in which a provider's word is not taken."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fakes.oidc import CLIENT, SECRET, Provider, by_hmac, unsigned
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr
from sqlalchemy import select

from typecase.blocks.errors import ConnectionFailed, LastAdmin, SettingsError, SignInRequired, TooManyRequests
from typecase.registry.access.oidc_provider import GroupRole, OidcSettings
from typecase.registry.access.permissions import Role
from typecase.registry.tables import pending


@pytest.fixture
def provider(clock):
    provider = Provider(clock)
    yield provider
    provider.close()


@pytest.fixture
def settings(provider):
    return OidcSettings(
        issuer=provider.issuer,
        client_id=CLIENT,
        client_secret=SecretStr(SECRET),
        redirect_uri="https://typecase.example.org/sign-in/done",
    )


@pytest.fixture
def made(access):
    """Makes what signs people in; closes its connections."""
    clients = []

    def made(settings):
        client = httpx.Client(timeout=10)
        clients.append(client)
        return access.oidc(settings, client)

    yield made
    for client in clients:
        client.close()


@pytest.fixture
def oidc(made, settings):
    return made(settings)


def sign_in(oidc, provider, **begin):
    begun = oidc.begin(**begin)
    code, state = provider.agree(begun.url)
    return oidc.finish(code=code, state=state, begun=begun.state)


def test_a_person_signs_in_and_is_added_without_a_role(access, oidc, provider):
    done = sign_in(oidc, provider)
    person = access.principals.get("ada@example.org")
    assert (done.principal_id, person.kind, person.title) == (person.id, "person", "Ada")
    assert (person.issuer, person.subject, person.has_password) == (provider.issuer, "sub-1", False)
    assert access.grants.list(principal="ada@example.org") == ()


def test_the_same_subject_is_the_same_person_whatever_their_address(access, oidc, provider):
    first = sign_in(oidc, provider)
    provider.person |= {"email": "countess@example.org", "name": "Ada L."}
    assert sign_in(oidc, provider).principal_id == first.principal_id
    person = access.principals.get("ada@example.org")
    assert (person.email, person.title) == ("countess@example.org", "Ada L.")


def test_another_subject_does_not_become_somebody_by_their_address(access, root, oidc, provider):
    access.principals.create(root, "ada@example.org", kind="person", email="ada@example.org")
    with pytest.raises(SignInRequired):
        sign_in(oidc, provider)


def test_the_request_has_challenge_state_and_nonce(oidc):
    begun = oidc.begin()
    query = parse_qs(urlsplit(begun.url).query)
    assert (query["code_challenge_method"], query["state"]) == (["S256"], [begun.state])
    assert len(query["code_challenge"][0]) == 43
    assert query["nonce"] != query["state"]


def test_one_comes_back_to_where_one_was(oidc, provider):
    assert sign_in(oidc, provider, return_to="/documents?workspace=prod").return_to == "/documents?workspace=prod"


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "", "/a\r\nb"])
def test_one_is_not_sent_elsewhere(oidc, provider, path):
    assert sign_in(oidc, provider, return_to=path).return_to == "/"


def test_a_state_works_once(oidc, provider):
    begun = oidc.begin()
    code, state = provider.agree(begun.url)
    oidc.finish(code=code, state=state, begun=begun.state)
    again, _ = provider.agree(begun.url)
    with pytest.raises(SignInRequired):
        oidc.finish(code=again, state=state, begun=begun.state)


def test_a_state_ends_with_its_time(oidc, provider, clock):
    begun = oidc.begin()
    code, state = provider.agree(begun.url)
    clock.move(minutes=10)
    with pytest.raises(SignInRequired):
        oidc.finish(code=code, state=state, begun=begun.state)


def test_an_answer_for_another_browser_is_refused(oidc, provider):
    mine, theirs = oidc.begin(), oidc.begin()
    code, state = provider.agree(theirs.url)
    with pytest.raises(SignInRequired):
        oidc.finish(code=code, state=state, begun=mine.state)
    assert oidc.finish(code=code, state=state, begun=theirs.state)


def test_a_state_that_nobody_began_is_refused(oidc, provider):
    with pytest.raises(SignInRequired):
        oidc.finish(code="x", state="made up", begun="made up")


def test_a_code_of_another_sign_in_is_refused(oidc, provider):
    mine, theirs = oidc.begin(), oidc.begin()
    code, _ = provider.agree(theirs.url)
    with pytest.raises(SignInRequired):
        oidc.finish(code=code, state=mine.state, begun=mine.state)


def test_an_answer_of_another_issuer_is_refused(oidc, provider):
    begun = oidc.begin()
    code, state = provider.agree(begun.url)
    with pytest.raises(SignInRequired):
        oidc.finish(code=code, state=state, begun=begun.state, issuer="https://evil.example")


def stranger(claims):
    """Signed by a key that is not the provider's, under the id of one that is."""
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, RSAKey.generate_key(2048), ["RS256"])


def by_client_secret(claims):
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(SECRET), ["HS256"])


@pytest.mark.parametrize(
    "forge",
    [stranger, by_client_secret, unsigned, lambda _: "a.b.c", lambda _: "", lambda _: None, lambda _: 7],
    ids=["another key", "HS256", "none", "garbage", "empty", "absent", "a number"],
)
def test_a_token_that_the_provider_did_not_sign_is_refused(access, oidc, provider, forge):
    provider.forge = forge
    with pytest.raises(SignInRequired):
        sign_in(oidc, provider)
    assert access.principals.list().items == ()


def test_a_token_signed_by_the_public_key_as_if_it_were_a_secret_is_refused(oidc, provider):
    provider.forge = lambda claims: by_hmac(claims, provider.keys[0].as_pem(private=False))
    with pytest.raises(SignInRequired):
        sign_in(oidc, provider)


def test_a_symmetric_key_that_the_provider_publishes_is_not_used(oidc, provider):
    secret = OctKey.import_key(SECRET, {"kid": "shared"})
    provider.published = [secret.as_dict(private=True)]
    provider.forge = lambda claims: jwt.encode({"alg": "HS256", "kid": "shared"}, claims, secret, ["HS256"])
    with pytest.raises(SignInRequired):
        sign_in(oidc, provider)


NOW = 1767268800


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": None},
        {"aud": ["another-client", "third"]},
        {"aud": [CLIENT, "another-client"], "azp": "another-client"},
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": "later"},
        {"iat": NOW + 3600},
        {"nbf": NOW + 3600},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"at_hash": "wrong"},
    ],
    ids=lambda claims: " ".join(f"{name}={value}" for name, value in claims.items()),
)
def test_a_token_that_says_something_else_is_refused(access, oidc, provider, claims):
    provider.claims = claims
    with pytest.raises(SignInRequired):
        sign_in(oidc, provider)
    assert access.principals.list().items == ()


def test_a_new_key_is_fetched_when_it_is_first_seen(oidc, provider, clock):
    sign_in(oidc, provider)
    provider.rotate()
    clock.move(minutes=1)
    assert sign_in(oidc, provider)
    assert provider.asked.count("/keys") == 2


def test_made_up_key_ids_do_not_ask_the_provider_each_time(oidc, provider, clock):
    sign_in(oidc, provider)
    clock.move(minutes=1)
    provider.header = {"kid": "made up"}
    for _ in range(3):
        with pytest.raises(SignInRequired):
            sign_in(oidc, provider)
    assert provider.asked.count("/keys") == 2


def test_where_things_are_is_asked_once_an_hour(oidc, provider, clock):
    for _ in range(3):
        sign_in(oidc, provider)
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    clock.move(hours=1)
    sign_in(oidc, provider)
    assert provider.asked.count("/.well-known/openid-configuration") == 2


def test_a_provider_that_calls_itself_otherwise_is_not_used(oidc, provider):
    provider.about = {"issuer": "https://evil.example"}
    with pytest.raises(ConnectionFailed):
        oidc.begin()


def test_an_endpoint_without_tls_is_not_used(oidc, provider):
    provider.about = {"authorization_endpoint": "http://login.example.org/authorize"}
    with pytest.raises(SettingsError):
        oidc.begin()


def test_a_provider_that_is_away_is_a_typed_error(made, settings):
    with pytest.raises(ConnectionFailed):
        made(replace(settings, issuer="http://127.0.0.1:9")).begin()


@pytest.mark.parametrize(
    ("email", "verified", "let_in"),
    [
        ("ada@example.org", True, True),
        ("ada@EXAMPLE.ORG", True, True),
        ("ada@example.org", False, False),
        ("ada@example.org", "true", False),
        ("ada@evil-example.org", True, False),
        ("ada@example.org.evil", True, False),
        ("ada@example.org@evil.org", True, False),
        (None, True, False),
    ],
)
def test_only_verified_addresses_of_the_domains_are_let_in(made, settings, provider, email, verified, let_in):
    oidc = made(replace(settings, domains=("example.org",)))
    provider.person |= {"email": email, "email_verified": verified}
    if let_in:
        assert sign_in(oidc, provider)
    else:
        with pytest.raises(SignInRequired):
            sign_in(oidc, provider)


def test_the_disabled_are_not_let_in(access, root, oidc, provider):
    sign_in(oidc, provider)
    access.principals.disable(root, "ada@example.org")
    with pytest.raises(SignInRequired):
        sign_in(oidc, provider)


@pytest.fixture
def grouped(made, settings):
    roles = (
        GroupRole(group="data", role=Role.EDITOR, workspace="prod"),
        GroupRole(group="admins", role=Role.ADMIN),
        GroupRole(group="data", role=Role.VIEWER, workspace="nowhere"),
    )
    return made(replace(settings, roles=roles))


def held(access):
    return [(item.role, item.workspace, item.created_by) for item in access.grants.list(principal="ada@example.org")]


def test_groups_give_roles_and_take_them_away(access, ada, grouped, provider):
    provider.person["groups"] = ["data", "admins", "others"]
    sign_in(grouped, provider)
    assert sorted(held(access)) == [("admin", None, "group:admins"), ("editor", "prod", "group:data")]
    provider.person["groups"] = ["data"]
    sign_in(grouped, provider)
    assert held(access) == [("editor", "prod", "group:data")]


@pytest.mark.parametrize("groups", [None, 7, {"data": True}, [["data"], 7, None], "admin", []])
def test_odd_groups_give_nothing(access, grouped, provider, groups):
    provider.person["groups"] = groups
    sign_in(grouped, provider)
    assert held(access) == []


def test_roles_that_an_admin_gave_stay(access, root, grouped, provider):
    sign_in(grouped, provider)
    access.grants.add(root, "ada@example.org", Role.VIEWER, workspace="prod")
    sign_in(grouped, provider)
    assert held(access) == [("viewer", "prod", "root")]


def test_the_last_admin_keeps_the_role_and_is_told(access, grouped, provider):
    provider.person["groups"] = ["admins"]
    sign_in(grouped, provider)
    provider.person["groups"] = []
    with pytest.raises(LastAdmin):
        sign_in(grouped, provider)
    assert held(access) == [("admin", None, "group:admins")]


def test_a_program_signs_in_with_a_code_on_another_device(access, oidc, provider):
    code = oidc.begin_device()
    assert (code.user_code, code.address, code.interval) == ("WDJB-MJHT", f"{provider.issuer}/activate", 5)
    assert oidc.poll_device(code.device_code) is None
    provider.agree_on_device()
    assert oidc.poll_device(code.device_code).principal_id == access.principals.get("ada@example.org").id
    with pytest.raises(SignInRequired):
        oidc.poll_device(code.device_code)


def test_a_program_that_asks_too_often_is_told(oidc, provider):
    code = oidc.begin_device()
    provider.device_answer = {"error": "slow_down"}
    with pytest.raises(TooManyRequests):
        oidc.poll_device(code.device_code)


@pytest.mark.parametrize("error", ["access_denied", "expired_token"])
def test_a_sign_in_on_a_device_that_was_refused_is_over(oidc, provider, error):
    code = oidc.begin_device()
    provider.device_answer = {"error": error}
    with pytest.raises(SignInRequired):
        oidc.poll_device(code.device_code)


def test_neither_database_nor_reprs_hold_what_could_finish_a_sign_in(
    registry, oidc, provider, assert_no_canary, tmp_path
):
    begun, code = oidc.begin(), oidc.begin_device()
    query = parse_qs(urlsplit(begun.url).query)
    assert registry._store.read(lambda connection: connection.execute(select(pending)).all())
    registry.close()
    for secret in (begun.state, query["nonce"][0], SECRET):
        assert_no_canary(tmp_path, repr((begun, code, oidc._provider)), secret=secret)


def test_the_clock_of_the_fake_is_the_one_of_the_registry(clock):
    assert clock().timestamp() == NOW
