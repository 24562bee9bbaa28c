"""IAM Policies, versions 1 and 2, and what they open."""

import pytest
from conftest import client
from ibm_cloud_sdk_core import ApiException
from ibm_platform_services import ResourceControllerV2
from ibm_platform_services.iam_policy_management_v1 import (
    Control,
    Grant,
    PolicyResource,
    PolicyRole,
    PolicySubject,
    ResourceAttribute,
    Roles,
    SubjectAttribute,
    V2PoliciesPager,
    V2PolicyResource,
    V2PolicyResourceAttribute,
    V2PolicySubject,
    V2PolicySubjectAttribute,
)

SERVICE = "crn:v1:bluemix:public:iam::::serviceRole:"
PLATFORM = "crn:v1:bluemix:public:iam::::role:"


def text(me, iam_id, roles, instance=None):
    """The arguments of a version 1 policy."""
    attributes = [ResourceAttribute("accountId", me["account_id"]), ResourceAttribute("serviceName", "appid")]
    if instance:
        attributes.append(ResourceAttribute("serviceInstance", instance["guid"], operator="stringEquals"))
    return {
        "type": "access",
        "subjects": [PolicySubject([SubjectAttribute("iam_id", iam_id)])],
        "roles": [PolicyRole(role) for role in roles],
        "resources": [PolicyResource(attributes)],
    }


def text_v2(me, iam_id, roles, instance):
    """The arguments of a version 2 policy."""
    return {
        "type": "access",
        "control": Control(Grant([Roles(role) for role in roles])),
        "subject": V2PolicySubject([V2PolicySubjectAttribute("iam_id", "stringEquals", iam_id)]),
        "resource": V2PolicyResource(
            [
                V2PolicyResourceAttribute("accountId", "stringEquals", me["account_id"]),
                V2PolicyResourceAttribute("serviceName", "stringEquals", "appid"),
                V2PolicyResourceAttribute("serviceInstance", "stringEquals", instance["guid"]),
            ]
        ),
    }


def role_ids(policy):
    return [role["role_id"] for role in policy["roles"]]


def test_life_of_a_policy(policies, me, service_id, instance):
    answer = policies.create_policy(**text(me, service_id["iam_id"], [f"{SERVICE}Reader"], instance), description="read")
    assert answer.get_status_code() == 201
    made = answer.get_result()
    assert (made["type"], made["state"], made["description"]) == ("access", "active", "read")
    assert role_ids(made) == [f"{SERVICE}Reader"]
    assert made["subjects"] == [{"attributes": [{"name": "iam_id", "value": service_id["iam_id"]}]}]
    sent = {a.name: a.value for a in text(me, "", [], instance)["resources"][0].attributes}
    assert {a["name"]: a["value"] for a in made["resources"][0]["attributes"]} == sent

    seen = policies.get_policy(made["id"])
    assert seen.get_result()["id"] == made["id"]
    listed = policies.list_policies(me["account_id"], iam_id=service_id["iam_id"]).get_result()["policies"]
    assert [row["id"] for row in listed] == [made["id"]]

    wanted = text(me, service_id["iam_id"], [f"{SERVICE}Writer", f"{PLATFORM}Viewer"], instance)
    with pytest.raises(ApiException) as refused:
        policies.replace_policy(made["id"], if_match="0-stale", **wanted)
    assert refused.value.status_code in (400, 409, 412)
    assert role_ids(policies.get_policy(made["id"]).get_result()) == [f"{SERVICE}Reader"]
    changed = policies.replace_policy(made["id"], if_match=seen.get_headers()["ETag"], **wanted)
    assert sorted(role_ids(changed.get_result())) == sorted([f"{SERVICE}Writer", f"{PLATFORM}Viewer"])
    assert changed.get_headers()["ETag"] != seen.get_headers()["ETag"]
    with pytest.raises(ApiException) as refused:
        policies.replace_policy(made["id"], if_match=seen.get_headers()["ETag"], **wanted)
    assert refused.value.status_code in (409, 412), "the tag of an older version"

    assert policies.delete_policy(made["id"]).get_status_code() == 204
    with pytest.raises(ApiException) as refused:
        policies.get_policy(made["id"])
    assert refused.value.status_code == 404


def test_life_of_a_version_2_policy(policies, me, service_id, instance):
    answer = policies.create_v2_policy(**text_v2(me, service_id["iam_id"], [f"{SERVICE}Reader"], instance))
    assert answer.get_status_code() == 201
    made = answer.get_result()
    assert made["control"]["grant"]["roles"] == [{"role_id": f"{SERVICE}Reader"}]
    assert made["subject"]["attributes"] == [{"key": "iam_id", "operator": "stringEquals", "value": service_id["iam_id"]}]
    assert {a["key"]: a["value"] for a in made["resource"]["attributes"]}["serviceInstance"] == instance["guid"]
    assert made["state"] == "active"

    seen = policies.get_v2_policy(made["id"])
    listed = V2PoliciesPager(client=policies, account_id=me["account_id"], iam_id=service_id["iam_id"], limit=1).get_all()
    assert [row["id"] for row in listed] == [made["id"]]
    wanted = text_v2(me, service_id["iam_id"], [f"{SERVICE}Manager"], instance)
    changed = policies.replace_v2_policy(made["id"], if_match=seen.get_headers()["ETag"], **wanted).get_result()
    assert changed["control"]["grant"]["roles"] == [{"role_id": f"{SERVICE}Manager"}]
    with pytest.raises(ApiException) as refused:
        policies.replace_v2_policy(made["id"], if_match=seen.get_headers()["ETag"], **wanted)
    assert refused.value.status_code in (409, 412)
    assert policies.delete_v2_policy(made["id"]).get_status_code() == 204
    with pytest.raises(ApiException) as refused:
        policies.get_v2_policy(made["id"])
    assert refused.value.status_code == 404


def test_version_2_policies_come_in_pages(policies, me, identity, name, instance):
    made = set()
    for n in range(3):
        who = identity.create_service_id(account_id=me["account_id"], name=f"{name}-{n}").get_result()
        made.add(policies.create_v2_policy(**text_v2(me, who["iam_id"], [f"{SERVICE}Reader"], instance)).get_result()["id"])
    found = [row["id"] for row in V2PoliciesPager(client=policies, account_id=me["account_id"], limit=2).get_all()]
    assert made <= set(found)
    assert len(found) == len(set(found))


def test_a_policy_opens_what_it_says_at_once(policies, identity, resources, me, service_id, instance, name):
    key = identity.create_api_key(name=name, iam_id=service_id["iam_id"]).get_result()
    robot = client(ResourceControllerV2, key["apikey"])
    seen = lambda: [row["guid"] for row in robot.list_resource_instances().get_result()["resources"]]
    assert seen() == [], "without a policy nothing is seen"
    with pytest.raises(ApiException) as refused:
        robot.get_resource_instance(instance["guid"])
    assert refused.value.status_code == 404
    made = policies.create_policy(**text(me, service_id["iam_id"], [f"{PLATFORM}Viewer"], instance)).get_result()
    assert seen() == [instance["guid"]]
    with pytest.raises(ApiException) as refused:
        robot.update_resource_instance(instance["guid"], name="mine")
    assert refused.value.status_code == 403, "a Viewer changes nothing"
    with pytest.raises(ApiException) as refused:
        robot.delete_resource_instance(instance["guid"])
    assert refused.value.status_code == 403
    tag = policies.get_policy(made["id"]).get_headers()["ETag"]
    policies.replace_policy(made["id"], if_match=tag, **text(me, service_id["iam_id"], [f"{PLATFORM}Editor"], instance))
    robot.update_resource_instance(instance["guid"], name=f"{name} by robot")
    assert resources.get_resource_instance(instance["guid"]).get_result()["name"] == f"{name} by robot"
    policies.delete_policy(made["id"])
    assert seen() == []


def test_roles(policies):
    roles = policies.list_roles().get_result()
    crns = [role["crn"] for group in ("system_roles", "service_roles") for role in roles[group]]
    for wanted in ("Viewer", "Editor", "Operator", "Administrator"):
        assert f"{PLATFORM}{wanted}" in crns
    service = [role["crn"] for role in policies.list_roles(service_name="appid").get_result()["service_roles"]]
    assert sorted(service) == sorted(f"{SERVICE}{role}" for role in ("Reader", "Writer", "Manager"))


def test_bad_input(policies, me, service_id, instance):
    subject = service_id["iam_id"]
    for bad in [
        text(me, subject, [f"{SERVICE}Emperor"], instance),
        text(me, subject, [], instance),
        text(me, "iam-ServiceId-nobody", [f"{SERVICE}Reader"], instance),
        {**text(me, subject, [f"{SERVICE}Reader"], instance), "type": "nonsense"},
        {**text(me, subject, [f"{SERVICE}Reader"], instance), "resources": [PolicyResource([ResourceAttribute("accountId", "another")])]},
    ]:
        with pytest.raises(ApiException) as refused:
            policies.create_policy(**bad)
        assert refused.value.status_code in (400, 403, 404), bad
    assert policies.list_policies(me["account_id"], iam_id=subject).get_result()["policies"] == []
    policies.create_policy(**text(me, subject, [f"{SERVICE}Reader"], instance))
    with pytest.raises(ApiException) as refused:
        policies.create_policy(**text(me, subject, [f"{SERVICE}Reader"], instance))
    assert refused.value.status_code == 409, "the same policy twice"
