"""IAM Identity: API keys and service ids."""

import datetime

import pytest
from conftest import client
from ibm_cloud_sdk_core import ApiException
from ibm_platform_services import IamIdentityV1
from ibm_platform_services.iam_identity_v1 import ApiKey, ApiKeyInsideCreateServiceIdRequest, ServiceId


def all_of(call, member, **arguments):
    """Every page of an IAM list, as the SDK's user has to follow them: by the pagetoken in `next`."""
    from urllib.parse import parse_qs, urlparse

    found, token = [], None
    while True:
        page = call(pagetoken=token, **arguments).get_result()
        found += page[member]
        if not page.get("next"):
            return found
        token = parse_qs(urlparse(page["next"]).query)["pagetoken"][0]


def works(api_key):
    try:
        client(IamIdentityV1, api_key).get_api_keys_details(iam_api_key=api_key)
        return True
    except ApiException as refused:
        assert refused.status_code in (400, 401), refused
        return False


def test_life_of_an_api_key(identity, me, name):
    answer = identity.create_api_key(name=name, iam_id=me["iam_id"], description="for a test", account_id=me["account_id"])
    assert answer.get_status_code() == 201
    made = answer.get_result()
    assert (made["name"], made["description"], made["iam_id"]) == (name, "for a test", me["iam_id"])
    assert (made["locked"], made["disabled"], made["account_id"]) == (False, False, me["account_id"])
    assert ApiKey.from_dict(made).id == made["id"], "the SDK's model reads it"
    assert works(made["apikey"])

    seen = identity.get_api_key(made["id"])
    assert seen.get_headers()["ETag"].strip('"')
    assert not seen.get_result().get("apikey"), "shown once"
    found = identity.get_api_keys_details(iam_api_key=made["apikey"]).get_result()
    assert found["id"] == made["id"]
    assert made["id"] in [key["id"] for key in all_of(identity.list_api_keys, "apikeys", iam_id=me["iam_id"], account_id=me["account_id"], pagesize=1)]

    with pytest.raises(ApiException) as refused:
        identity.update_api_key(made["id"], if_match="0-stale", name="other")
    assert refused.value.status_code in (400, 409, 412)
    assert identity.get_api_key(made["id"]).get_result()["name"] == name
    changed = identity.update_api_key(made["id"], if_match=seen.get_headers()["ETag"], name=f"{name} renamed").get_result()
    assert (changed["name"], changed["description"]) == (f"{name} renamed", "for a test")
    assert changed["entity_tag"] != made["entity_tag"]
    with pytest.raises(ApiException) as refused:
        identity.update_api_key(made["id"], if_match=seen.get_headers()["ETag"], name="late")
    assert refused.value.status_code in (409, 412), "the tag of an older version"

    identity.lock_api_key(made["id"])
    assert identity.get_api_key(made["id"]).get_result()["locked"] is True
    with pytest.raises(ApiException) as refused:
        identity.delete_api_key(made["id"])
    assert 400 <= refused.value.status_code < 500
    assert works(made["apikey"]), "a lock guards the key; it does not switch it off"
    identity.unlock_api_key(made["id"])

    identity.disable_api_key(made["id"])
    assert identity.get_api_key(made["id"]).get_result()["disabled"] is True
    assert not works(made["apikey"])
    identity.enable_api_key(made["id"])
    assert works(made["apikey"])

    assert identity.delete_api_key(made["id"]).get_status_code() == 204
    assert not works(made["apikey"])
    with pytest.raises(ApiException) as refused:
        identity.get_api_key(made["id"])
    assert refused.value.status_code == 404


def test_an_expired_api_key_opens_nothing(identity, me, name):
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M+0000")
    made = identity.create_api_key(name=name, iam_id=me["iam_id"], expires_at=soon).get_result()
    assert made["expires_at"]
    assert works(made["apikey"])
    with pytest.raises(ApiException) as refused:
        identity.create_api_key(name=name, iam_id=me["iam_id"], expires_at="2001-01-01T00:00+0000")
    assert refused.value.status_code == 400
    identity.delete_api_key(made["id"])


def test_life_of_a_service_id(identity, me, name):
    answer = identity.create_service_id(
        account_id=me["account_id"], name=name, description="a robot",
        apikey=ApiKeyInsideCreateServiceIdRequest(name=f"{name} key"),
    )
    assert answer.get_status_code() == 201
    made = answer.get_result()
    assert made["iam_id"] == f"iam-{made['id']}"
    assert (made["name"], made["description"], made["locked"]) == (name, "a robot", False)
    assert made["apikey"]["iam_id"] == made["iam_id"]
    assert ServiceId.from_dict(made).id == made["id"], "the SDK's model reads it"
    assert works(made["apikey"]["apikey"])

    seen = identity.get_service_id(made["id"])
    assert seen.get_result()["id"] == made["id"]
    assert made["id"] in [row["id"] for row in all_of(identity.list_service_ids, "serviceids", account_id=me["account_id"], pagesize=1)]
    with pytest.raises(ApiException) as refused:
        identity.update_service_id(made["id"], if_match="0-stale", name="other")
    assert refused.value.status_code in (400, 409, 412)
    changed = identity.update_service_id(made["id"], if_match=seen.get_headers()["ETag"], name=f"{name} renamed").get_result()
    assert changed["name"] == f"{name} renamed"

    identity.lock_service_id(made["id"])
    with pytest.raises(ApiException) as refused:
        identity.delete_service_id(made["id"])
    assert 400 <= refused.value.status_code < 500
    identity.unlock_service_id(made["id"])
    assert identity.delete_service_id(made["id"]).get_status_code() == 204
    assert not works(made["apikey"]["apikey"]), "its API keys go with it"
    with pytest.raises(ApiException) as refused:
        identity.get_service_id(made["id"])
    assert refused.value.status_code == 404


def test_a_service_id_may_not_make_itself_an_administrators_key(identity, me, service_id, name):
    key = identity.create_api_key(name=name, iam_id=service_id["iam_id"]).get_result()
    robot = client(IamIdentityV1, key["apikey"])
    with pytest.raises(ApiException) as refused:
        robot.create_api_key(name=name, iam_id=me["iam_id"])
    assert refused.value.status_code in (403, 404)
    with pytest.raises(ApiException) as refused:
        robot.get_api_key(me["id"])
    assert refused.value.status_code in (403, 404)
