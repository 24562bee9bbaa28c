"""Resource Controller v2: the credentials of an instance."""

import pytest
import requests
from conftest import URL, client
from ibm_cloud_sdk_core import ApiException
from ibm_platform_services import ResourceControllerV2
from ibm_platform_services.resource_controller_v2 import ResourceKeysForInstancePager, ResourceKeysPager


def token_of(api_key):
    answer = requests.post(
        f"{URL}/identity/token",
        data={"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": api_key},
        timeout=30,
    )
    return answer.json()["access_token"] if answer.status_code == 200 else None


def applications(instance, api_key):
    return requests.get(
        f"{URL}/management/v4/{instance['guid']}/applications",
        headers={"authorization": f"Bearer {token_of(api_key)}"},
        timeout=30,
    )


def test_life_of_a_key(resources, instance, name):
    answer = resources.create_resource_key(name=name, source=instance["crn"], role="Writer")
    assert answer.get_status_code() == 201
    key = answer.get_result()
    assert (key["name"], key["source_crn"], key["state"]) == (name, instance["crn"], "active")
    assert key["role"] == "crn:v1:bluemix:public:iam::::serviceRole:Writer"
    credentials = key["credentials"]
    assert credentials["tenantId"] == instance["guid"]
    assert credentials["oauthServerUrl"] == f"{URL}/oauth/v4/{instance['guid']}"
    assert credentials["managementUrl"] == f"{URL}/management/v4/{instance['guid']}"
    assert credentials["profilesUrl"] == URL
    assert credentials["apikey"]
    assert applications(instance, credentials["apikey"]).status_code == 200

    for id in (key["guid"], key["id"]):
        seen = resources.get_resource_key(id).get_result()
        assert seen["guid"] == key["guid"]
        assert "apikey" not in seen["credentials"], "the API key is shown once"
        assert credentials["apikey"] not in str(seen)

    listed = ResourceKeysForInstancePager(client=resources, id=instance["guid"], limit=1).get_all()
    assert [row["guid"] for row in listed] == [key["guid"]]
    assert key["guid"] in [row["guid"] for row in ResourceKeysPager(client=resources, limit=1).get_all()]
    renamed = resources.update_resource_key(key["guid"], name=f"{name} renamed").get_result()
    assert renamed["name"] == f"{name} renamed"
    assert resources.get_resource_key(key["guid"]).get_result()["name"] == f"{name} renamed"

    held = token_of(credentials["apikey"])
    assert resources.delete_resource_key(key["guid"]).get_status_code() == 204
    assert token_of(credentials["apikey"]) is None, "the API key is revoked with it"
    after = requests.get(
        f"{URL}/management/v4/{instance['guid']}/applications",
        headers={"authorization": f"Bearer {held}"},
        timeout=30,
    )
    assert after.status_code in (401, 403, 404), "a token made before does not outlive the key"
    with pytest.raises(ApiException) as refused:
        resources.get_resource_key(key["guid"])
    assert refused.value.status_code == 404


@pytest.mark.parametrize("role,write,export", [("Reader", 403, 403), ("Writer", 200, 403), ("Manager", 200, 200)])
def test_roles_of_keys(resources, instance, name, role, write, export):
    made = resources.create_resource_key(name=name, source=instance["guid"], role=role).get_result()
    headers = {"authorization": f"Bearer {token_of(made['credentials']['apikey'])}"}
    base = f"{URL}/management/v4/{instance['guid']}"
    assert requests.get(f"{base}/applications", headers=headers, timeout=30).status_code == 200
    assert requests.post(f"{base}/applications", headers=headers, json={"name": "app"}, timeout=30).status_code == write
    assert requests.get(f"{base}/users/export", headers=headers, timeout=30).status_code == export
    other = resources.create_resource_instance(f"{name}-other", "eu-de", "default", "standard").get_result()
    elsewhere = requests.get(f"{URL}/management/v4/{other['guid']}/applications", headers=headers, timeout=30)
    assert elsewhere.status_code in (403, 404), "credentials of one instance open no other"
    known = client(ResourceControllerV2, made["credentials"]["apikey"]).list_resource_instances().get_result()
    assert other["guid"] not in [row["guid"] for row in known["resources"]]


def test_bad_input(resources, instance, name):
    for source, role, status in [
        (instance["guid"], "Emperor", (400,)),
        ("7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "Reader", (400, 404)),
    ]:
        with pytest.raises(ApiException) as refused:
            resources.create_resource_key(name=name, source=source, role=role)
        assert refused.value.status_code in status
    assert resources.list_resource_keys_for_instance(instance["guid"]).get_result()["resources"] == []


def test_recursive_delete_takes_the_keys(resources, instance, name):
    key = resources.create_resource_key(name=name, source=instance["guid"], role="Reader").get_result()
    resources.delete_resource_instance(instance["guid"], recursive=True)
    assert token_of(key["credentials"]["apikey"]) is None
    with pytest.raises(ApiException) as refused:
        resources.get_resource_key(key["guid"])
    assert refused.value.status_code == 404
