"""What the roles of credentials open, in all planes."""

import pytest
import requests
from conftest import URL, client
from ibm_cloud_sdk_core import ApiException
from ibm_platform_services import ResourceControllerV2


def token_of(api_key):
    answer = requests.post(
        f"{URL}/identity/token",
        data={"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": api_key},
        timeout=30,
    )
    return answer.json()["access_token"] if answer.status_code == 200 else None


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
