"""What API keys and service IDs may not do."""

import datetime

import pytest
from conftest import client
from ibm_cloud_sdk_core import ApiException
from ibm_platform_services import IamIdentityV1


def works(api_key):
    try:
        client(IamIdentityV1, api_key).get_api_keys_details(iam_api_key=api_key)
        return True
    except ApiException as refused:
        assert refused.status_code in (400, 401), refused
        return False


def test_an_expired_api_key_opens_nothing(identity, me, name):
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M+0000")
    made = identity.create_api_key(name=name, iam_id=me["iam_id"], expires_at=soon).get_result()
    assert made["expires_at"]
    assert works(made["apikey"])
    with pytest.raises(ApiException) as refused:
        identity.create_api_key(name=name, iam_id=me["iam_id"], expires_at="2001-01-01T00:00+0000")
    assert refused.value.status_code == 400
    identity.delete_api_key(made["id"])


def test_a_service_id_may_not_make_itself_an_administrators_key(identity, me, service_id, name):
    key = identity.create_api_key(name=name, iam_id=service_id["iam_id"]).get_result()
    robot = client(IamIdentityV1, key["apikey"])
    with pytest.raises(ApiException) as refused:
        robot.create_api_key(name=name, iam_id=me["iam_id"])
    assert refused.value.status_code in (403, 404)
    with pytest.raises(ApiException) as refused:
        robot.get_api_key(me["id"])
    assert refused.value.status_code in (403, 404)
