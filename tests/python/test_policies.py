"""What policies open, pages of them, and bad input."""

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
