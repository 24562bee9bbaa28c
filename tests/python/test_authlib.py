"""Authlib, an independent OAuth client, runs the flows unmodified: code with PKCE, refresh, user info, introspection, revocation, logout."""

import os
import re
from html import unescape
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from conftest import URL

REDIRECT = "http://127.0.0.1:9/callback"
OUT = "http://127.0.0.1:9/out"
EMAIL = "paula@example.org"
PASSWORD = "correct horse battery 9"


@pytest.fixture(autouse=True)
def plain_http(monkeypatch):
    """Authlib insists on https unless told otherwise."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture
def tenant(instance):
    """An instance with a person, single sign-on and refresh tokens; answers its application's credentials."""
    asked = requests.post(
        f"{URL}/identity/token",
        data={
            "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
            "apikey": os.environ["VESTIBULE_API_KEY"],
        },
    )
    administrator = {"Authorization": f"Bearer {asked.json()['access_token']}"}

    def manage(method, path, body):
        address = f"{URL}/management/v4/{instance['guid']}{path}"
        answer = requests.request(method, address, json=body, headers=administrator)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    manage("PUT", "/config/redirect_uris", {"redirectUris": [REDIRECT]})
    manage(
        "PUT", "/config/tokens", {"refresh": {"enabled": True, "expires_in": 86400}}
    )
    sso = {
        "isActive": True,
        "inactivityTimeoutSeconds": 600,
        "logoutRedirectUris": [OUT],
    }
    manage("PUT", "/config/cloud_directory/sso", sso)
    person = {
        "emails": [{"value": EMAIL, "primary": True}],
        "password": PASSWORD,
        "displayName": "Paula",
        "status": "CONFIRMED",
    }
    manage("POST", "/cloud_directory/Users", person)
    return manage("POST", "/applications", {"name": "authlib"})


@pytest.fixture
def service(tenant):
    return requests.get(tenant["discoveryEndpoint"]).json()


@pytest.fixture
def client(tenant):
    return OAuth2Session(
        tenant["clientId"],
        tenant["secret"],
        scope="openid profile email",
        redirect_uri=REDIRECT,
        code_challenge_method="S256",
    )


def sign_in(browser, address):
    """Fills in the form of the sign-in page as a browser without scripts does; answers where it is sent."""
    page = browser.get(address)
    page.raise_for_status()
    form = re.search(r"<form[^>]*>[\s\S]*?</form>", page.text).group()

    def attribute(tag, name):
        found = re.search(f'{name}="([^"]*)"', tag)
        return unescape(found.group(1)) if found else ""

    fields = {
        attribute(tag, "name"): attribute(tag, "value")
        for tag in re.findall("<input[^>]*>", form)
    }
    fields |= {"username": EMAIL, "password": PASSWORD}
    action = urljoin(page.url, attribute(form.split(">")[0], "action") or page.url)
    sent = browser.post(action, data=fields, allow_redirects=False)
    assert sent.status_code in (302, 303), sent.text
    return sent.headers["Location"]


def verified_claims(service, tenant, token, nonce):
    """The claims of an identity token, after Authlib's checks of signature and members."""
    keys = KeySet.import_key_set(requests.get(service["jwks_uri"]).json())
    # As Authlib reads them itself: members of a header that are not known are ignored (RFC 7515, section 4).
    registry = JWSRegistry(algorithms=["RS256"], strict_check_header=False)
    decoded = jwt.decode(token["id_token"], keys, registry=registry)
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {
            "iss": {"essential": True, "value": service["issuer"]},
            "aud": {"essential": True, "value": tenant["clientId"]},
        },
        {"nonce": nonce, "access_token": token["access_token"]},
    )
    claims.validate()
    return claims


def test_every_flow(tenant, service, client):
    browser = requests.Session()
    verifier, nonce = generate_token(48), generate_token(20)
    address, state = client.create_authorization_url(
        service["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    token = client.fetch_token(
        service["token_endpoint"],
        authorization_response=sign_in(browser, address),
        code_verifier=verifier,
        state=state,
    )
    claims = verified_claims(service, tenant, token, nonce)
    person = client.get(service["userinfo_endpoint"]).json()
    assert (person["sub"], person["email"]) == (claims["sub"], EMAIL)

    renewed = client.refresh_token(service["token_endpoint"])
    assert renewed["refresh_token"] != token["refresh_token"]

    def active(a_token):
        answer = client.introspect_token(
            service["introspection_endpoint"], token=a_token
        )
        return answer.json()["active"]

    assert active(renewed["access_token"])
    revoked = client.revoke_token(
        service["revocation_endpoint"],
        token=renewed["refresh_token"],
        token_type_hint="refresh_token",
    )
    assert revoked.status_code == 200
    assert not active(renewed["access_token"])
    with pytest.raises(OAuthError) as refused:
        client.refresh_token(
            service["token_endpoint"], refresh_token=renewed["refresh_token"]
        )
    assert refused.value.error == "invalid_grant"

    # Signing out ends the session of the browser, and goes back to the application.
    silent, _ = client.create_authorization_url(
        service["authorization_endpoint"],
        code_verifier=verifier,
        nonce=nonce,
        prompt="none",
    )

    def asked_silently():
        back = browser.get(silent, allow_redirects=False).headers["Location"]
        return parse_qs(urlsplit(back).query)

    assert "code" in asked_silently()
    leaving = {
        "id_token_hint": token["id_token"],
        "post_logout_redirect_uri": OUT,
        "state": "bye",
    }
    left = browser.get(
        f"{service['end_session_endpoint']}?{urlencode(leaving)}",
        allow_redirects=False,
    )
    assert left.headers["Location"] == f"{OUT}?state=bye"
    assert asked_silently()["error"] == ["login_required"]


def test_client_credentials_and_a_wrong_secret(tenant, service, client):
    token = client.fetch_token(
        service["token_endpoint"], grant_type="client_credentials"
    )
    assert token["expires_in"] == 3600
    stranger = OAuth2Session(tenant["clientId"], "wrong")
    with pytest.raises(OAuthError) as refused:
        stranger.fetch_token(
            service["token_endpoint"], grant_type="client_credentials"
        )
    assert refused.value.error == "invalid_client"


def test_a_wrong_verifier_gets_nothing(service, client):
    verifier = generate_token(48)
    address, state = client.create_authorization_url(
        service["authorization_endpoint"], code_verifier=verifier
    )
    back = sign_in(requests.Session(), address)
    with pytest.raises(OAuthError) as refused:
        client.fetch_token(
            service["token_endpoint"],
            authorization_response=back,
            code_verifier=generate_token(48),
            state=state,
        )
    assert refused.value.error == "invalid_grant"
