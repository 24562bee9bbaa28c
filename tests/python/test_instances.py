"""Instances as the SDK's models read them, and bad input."""

import re

import pytest
from ibm_cloud_sdk_core import ApiException
from ibm_platform_services.resource_controller_v2 import ResourceInstance

RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


def test_create_says_what_was_made(resources, me, name):
    answer = resources.create_resource_instance(
        name=name, target="us-south", resource_group="default", resource_plan_id="standard", tags=["a"]
    )
    assert answer.get_status_code() == 201
    made = answer.get_result()
    assert made["crn"] == f"crn:v1:vestibule:public:appid:us-south:a/{me['account_id']}:{made['guid']}::"
    assert made["id"] == made["crn"]
    assert (made["name"], made["region_id"], made["resource_id"]) == (name, "us-south", "appid")
    assert (made["state"], made["type"], made["locked"]) == ("active", "service_instance", False)
    assert made["account_id"] == me["account_id"]
    assert made["created_by"] == me["iam_id"]
    assert made["last_operation"]["type"] == "create"
    assert made["last_operation"]["state"] == "succeeded"
    assert RFC3339.match(made["created_at"]), made["created_at"]
    assert ResourceInstance.from_dict(made).guid == made["guid"], "the SDK's model reads it"


def test_bad_input(resources, instance):
    for bad in ["", " ", "x" * 181]:
        with pytest.raises(ApiException) as refused:
            resources.create_resource_instance(bad, "eu-de", "default", "standard")
        assert refused.value.status_code == 400
    for unknown in ["7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "nonsense", "crn:v1:nonsense"]:
        with pytest.raises(ApiException) as refused:
            resources.get_resource_instance(unknown)
        assert refused.value.status_code in (400, 404), unknown
    body = refused.value.http_response.json()
    assert body["status_code"] == refused.value.status_code
    assert body["trace"]
    assert body["errors"][0]["code"] and body["errors"][0]["message"]
    with pytest.raises(ApiException) as refused:
        resources.run_reclamation_action("7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "restore")
    assert refused.value.status_code == 404
    assert resources.get_resource_instance(instance["guid"]).get_result() == instance
