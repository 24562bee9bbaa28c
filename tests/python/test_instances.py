"""Resource Controller v2: instances and their reclamation."""

import re

import pytest
from conftest import client
from ibm_cloud_sdk_core import ApiException
from ibm_platform_services import ResourceControllerV2
from ibm_platform_services.resource_controller_v2 import ResourceInstance, ResourceInstancesPager

RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


def names(resources, **filters):
    return [row["name"] for row in ResourceInstancesPager(client=resources, **filters).get_all()]


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


def test_get_by_guid_and_by_crn(resources, instance):
    assert resources.get_resource_instance(instance["guid"]).get_result() == instance
    assert resources.get_resource_instance(instance["crn"]).get_result() == instance


def test_list_filters_and_pages(resources, name):
    made = [
        resources.create_resource_instance(f"{name}-{n}", "eu-de", "default", "standard").get_result()["name"]
        for n in range(3)
    ]
    first = resources.list_resource_instances(limit=2).get_result()
    assert first["rows_count"] == len(first["resources"]) == 2
    assert first["next_url"].startswith("/v2/resource_instances?")
    everyone = names(resources, limit=2)
    assert set(made) <= set(everyone)
    assert len(everyone) == len(set(row["guid"] for row in ResourceInstancesPager(client=resources, limit=1).get_all()))
    assert names(resources, name=made[1]) == [made[1]]
    found = resources.list_resource_instances(name=made[0], resource_id="appid", type="service_instance").get_result()
    assert [row["name"] for row in found["resources"]] == [made[0]]
    guid = found["resources"][0]["guid"]
    assert names(resources, guid=guid) == [made[0]]
    assert names(resources, guid=guid, state="removed") == []
    assert names(resources, name=made[0], resource_id="cloudantnosqldb") == []


def test_rename(resources, instance, name):
    answer = resources.update_resource_instance(instance["crn"], name=f"{name} renamed", parameters={"color": "green"})
    assert answer.get_status_code() == 200
    changed = resources.get_resource_instance(instance["guid"]).get_result()
    assert changed == answer.get_result()
    assert (changed["name"], changed["parameters"]) == (f"{name} renamed", {"color": "green"})
    assert changed["last_operation"]["type"] == "update"
    assert changed["created_at"] == instance["created_at"]


def test_a_locked_instance_is_neither_changed_nor_deleted(resources, instance):
    assert resources.lock_resource_instance(instance["guid"]).get_result()["locked"] is True
    with pytest.raises(ApiException) as refused:
        resources.update_resource_instance(instance["guid"], name="other")
    assert 400 <= refused.value.status_code < 500 and "lock" in refused.value.message.lower()
    with pytest.raises(ApiException) as refused:
        resources.delete_resource_instance(instance["guid"])
    assert 400 <= refused.value.status_code < 500 and "lock" in refused.value.message.lower()
    kept = resources.get_resource_instance(instance["guid"]).get_result()
    assert (kept["name"], kept["state"], kept["locked"]) == (instance["name"], "active", True)
    assert resources.unlock_resource_instance(instance["guid"]).get_result()["locked"] is False
    assert resources.delete_resource_instance(instance["guid"]).get_status_code() in (202, 204)


def reclamation_of(resources, instance):
    rows = resources.list_reclamations(resource_instance_id=instance["guid"]).get_result()["resources"]
    assert [row["resource_instance_id"] for row in rows] in ([instance["guid"]], [instance["crn"]])
    assert rows[0]["entity_crn"] == instance["crn"]
    assert rows[0]["state"] == "SCHEDULED"
    assert rows[0]["target_time"] > rows[0]["created_at"]
    return rows[0]


def test_delete_and_restore(resources, instance):
    assert resources.delete_resource_instance(instance["crn"], recursive=True).get_status_code() in (202, 204)
    gone = resources.get_resource_instance(instance["guid"]).get_result()
    assert gone["state"] == "pending_reclamation"
    assert gone["deleted_at"]
    assert names(resources, name=instance["name"]) == [], "a deleted instance is not listed as active"
    assert names(resources, name=instance["name"], state="pending_reclamation") == [instance["name"]]
    waiting = reclamation_of(resources, instance)
    resources.run_reclamation_action(waiting["id"], "restore", comment="a mistake").get_result()
    back = resources.get_resource_instance(instance["guid"]).get_result()
    assert (back["state"], back["name"], back["deleted_at"]) == ("active", instance["name"], None)
    assert resources.list_reclamations(resource_instance_id=instance["guid"]).get_result()["resources"] == []


def test_reclaim_destroys(resources, instance):
    resources.delete_resource_instance(instance["guid"])
    waiting = reclamation_of(resources, instance)
    resources.run_reclamation_action(waiting["id"], "reclaim").get_result()
    with pytest.raises(ApiException) as refused:
        resources.run_reclamation_action(waiting["id"], "restore")
    assert refused.value.status_code in (404, 409)
    assert names(resources, guid=instance["guid"]) == []
    assert names(resources, guid=instance["guid"], state="pending_reclamation") == []


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


def test_a_wrong_api_key_gets_no_token():
    with pytest.raises(ApiException) as refused:
        client(ResourceControllerV2, "not-a-key").list_resource_instances()
    assert refused.value.status_code == 400
    assert refused.value.http_response.json()["errorCode"] == "BXNIM0415E"
