"""The platform plane through IBM's own Python SDK."""

import base64
import json
from datetime import datetime, timedelta

import pytest
from ibm_cloud_sdk_core import ApiException
from ibm_cloud_sdk_core.utils import get_query_param
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
from ibm_platform_services.resource_controller_v2 import (
    ResourceInstancesPager,
    ResourceKeysForInstancePager,
    ResourceKeysPager,
)

VIEWER = "crn:v1:bluemix:public:iam::::role:Viewer"
EDITOR = "crn:v1:bluemix:public:iam::::role:Editor"
READER = "crn:v1:bluemix:public:iam::::serviceRole:Reader"
WRITER = "crn:v1:bluemix:public:iam::::serviceRole:Writer"


def refused(status, call, *args, **more):
    """Insists that a call is refused with a status and a body in IBM's error shape."""
    with pytest.raises(ApiException) as caught:
        call(*args, **more)
    assert caught.value.status_code == status, caught.value
    body = caught.value.http_response.json()
    assert body["status_code"] == status
    assert body["trace"]
    assert body["errors"][0]["code"] and body["errors"][0]["message"]
    return body


def key_refused(server, apikey):
    """Insists that the token endpoint refuses an API key."""
    with pytest.raises(ApiException) as caught:
        server.identity(apikey).get_api_keys_details(iam_api_key=apikey)
    assert caught.value.status_code in (400, 401), caught.value
    body = caught.value.http_response.json()
    assert body["errorCode"] and body["errorMessage"]
    assert apikey not in caught.value.http_response.text


def claims(client):
    token = client.authenticator.token_manager.get_token().split(".")[1]
    return json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))


def guids(rows):
    return [row["guid"] for row in rows]


# --- Resource instances


def test_instance_is_created_as_asked(controller, make_instance, admin, unique):
    name = unique("made")
    made = make_instance(name, tags=["blue", "green"], parameters={"colour": "teal"})
    assert made["name"] == name
    assert made["id"] == made["crn"]
    assert made["crn"] == (
        f"crn:v1:vestibule:public:appid:us-south:a/{admin['account_id']}:{made['guid']}::"
    )
    assert made["account_id"] == admin["account_id"]
    assert made["created_by"] == admin["iam_id"]
    assert made["resource_id"] == "appid"
    assert made["type"] == "service_instance"
    assert made["region_id"] == "us-south"
    assert made["resource_group_id"] == "default"
    assert made["resource_plan_id"] == "standard"
    assert made["state"] == "active"
    assert made["locked"] is False
    assert made["parameters"] == {"colour": "teal"}
    assert made["last_operation"]["type"] == "create"
    assert made["last_operation"]["state"] == "succeeded"
    assert datetime.fromisoformat(made["created_at"]).tzinfo is not None

    by_guid = controller.get_resource_instance(made["guid"]).get_result()
    by_crn = controller.get_resource_instance(made["crn"]).get_result()
    assert by_guid == by_crn == made


def test_instances_are_filtered(controller, make_instance, unique):
    name = unique("filtered")
    first, second = make_instance(name), make_instance()

    def found(**filters):
        return guids(controller.list_resource_instances(**filters).get_result()["resources"])

    assert found(name=name) == [first["guid"]]
    assert found(guid=second["guid"]) == [second["guid"]]
    assert found(guid=second["guid"], name=name) == []
    assert found(guid=first["guid"], resource_id="appid") == [first["guid"]]
    assert found(guid=first["guid"], resource_id="kms") == []
    assert found(guid=first["guid"], type="service_instance") == [first["guid"]]
    assert found(guid=first["guid"], type="resource_instance") == []
    assert found(guid=first["guid"], resource_group_id="default") == [first["guid"]]
    assert found(guid=first["guid"], resource_group_id="other") == []
    assert found(guid=first["guid"], resource_plan_id="standard") == [first["guid"]]
    assert found(guid=first["guid"], resource_plan_id="lite") == []
    assert found(guid=first["guid"], state="active") == [first["guid"]]
    assert found(guid=first["guid"], state="removed") == []


def test_instances_come_in_pages(controller, make_instance, unique):
    name = unique("paged")
    made = {make_instance(name)["guid"] for _ in range(5)}
    page = controller.list_resource_instances(name=name, limit=2).get_result()
    assert page["rows_count"] == 2 == len(page["resources"])
    assert page["next_url"].startswith("/v2/resource_instances?")

    pager = ResourceInstancesPager(client=controller, name=name, limit=2)
    pages = []
    while pager.has_next():
        pages.append(guids(pager.get_next()))
    assert [len(rows) for rows in pages] == [2, 2, 1]
    assert {guid for rows in pages for guid in rows} == made


def test_instance_is_updated(controller, make_instance, unique):
    made, name = make_instance(), unique("renamed")
    changed = controller.update_resource_instance(
        made["crn"], name=name, parameters={"size": 3}, resource_plan_id="lite"
    ).get_result()
    assert changed["name"] == name
    assert changed["parameters"] == {"size": 3}
    assert changed["resource_plan_id"] == "lite"
    assert changed["last_operation"]["type"] == "update"
    assert controller.get_resource_instance(made["guid"]).get_result() == changed
    refused(400, controller.update_resource_instance, made["guid"], name="")


def test_locked_instance_stays_as_it_is(controller, make_instance):
    guid = make_instance()["guid"]
    assert controller.lock_resource_instance(guid).get_result()["locked"] is True
    with pytest.raises(ApiException) as update:
        controller.update_resource_instance(guid, name="other")
    with pytest.raises(ApiException) as deletion:
        controller.delete_resource_instance(guid)
    assert {update.value.status_code, deletion.value.status_code} <= {400, 409, 422, 423}
    assert controller.get_resource_instance(guid).get_result()["state"] == "active"
    assert controller.unlock_resource_instance(guid).get_result()["locked"] is False
    assert controller.delete_resource_instance(guid).get_status_code() in (202, 204)


def test_deleted_instance_is_restored_whole(controller, make_instance):
    made = make_instance(parameters={"kept": True})
    guid = made["guid"]
    assert controller.delete_resource_instance(guid).get_status_code() in (202, 204)
    deleted = controller.get_resource_instance(guid).get_result()
    assert deleted["state"] == "pending_reclamation"
    assert deleted["deleted_at"]
    assert controller.list_resource_instances(guid=guid).get_result()["resources"] == []
    waiting = controller.list_resource_instances(guid=guid, state="pending_reclamation")
    assert guids(waiting.get_result()["resources"]) == [guid]

    [reclamation] = controller.list_reclamations(resource_instance_id=guid).get_result()["resources"]
    assert reclamation["entity_id"] == guid
    assert reclamation["entity_crn"] == made["crn"]
    assert reclamation["state"] == "SCHEDULED"
    rest = datetime.fromisoformat(reclamation["target_time"]) - datetime.fromisoformat(
        deleted["deleted_at"]
    )
    assert rest >= timedelta(days=1) - timedelta(seconds=1)

    controller.run_reclamation_action(reclamation["id"], "restore")
    restored = controller.get_resource_instance(guid).get_result()
    assert restored["state"] == "active"
    assert restored["deleted_at"] is None
    for member in ("name", "crn", "parameters", "created_at", "resource_plan_id"):
        assert restored[member] == made[member]
    assert controller.list_reclamations(resource_instance_id=guid).get_result()["resources"] == []


def test_reclaimed_instance_is_gone(controller, make_instance):
    guid = make_instance()["guid"]
    controller.delete_resource_instance(guid)
    [reclamation] = controller.list_reclamations(resource_instance_id=guid).get_result()["resources"]
    refused(400, controller.run_reclamation_action, reclamation["id"], "bury")
    controller.run_reclamation_action(reclamation["id"], "reclaim")
    assert controller.get_resource_instance(guid).get_result()["state"] == "removed"
    refused(404, controller.run_reclamation_action, reclamation["id"], "restore")


def test_unknown_instance_is_not_found(controller):
    refused(404, controller.get_resource_instance, "00000000-0000-4000-8000-000000000000")


# --- Resource keys


def test_resource_key_is_an_api_key_until_it_is_deleted(server, controller, make_instance, unique):
    instance, name = make_instance(), unique("credentials")
    made = controller.create_resource_key(name, instance["guid"], role="Manager").get_result()
    secret = made["credentials"]["apikey"]
    assert made["name"] == name
    assert made["source_crn"] == instance["crn"]
    assert made["role"].endswith("serviceRole:Manager")
    assert made["credentials"]["tenantId"] == instance["guid"]
    assert made["credentials"]["iam_apikey_id"]

    # The key works, and its reach is its instance.
    own = server.identity(secret).get_api_keys_details(iam_api_key=secret).get_result()
    assert own["id"] == made["credentials"]["iam_apikey_id"]
    bearer = server.controller(secret)
    seen = bearer.list_resource_instances().get_result()["resources"]
    assert guids(seen) == [instance["guid"]]
    refused(403, bearer.delete_resource_instance, instance["guid"])

    # It was shown once, by GUID and CRN alike.
    for key_id in (made["guid"], made["crn"]):
        shown = controller.get_resource_key(key_id).get_result()
        assert shown["guid"] == made["guid"]
        assert "apikey" not in shown["credentials"]
        assert secret not in json.dumps(shown)

    renamed = controller.update_resource_key(made["guid"], name=unique("renamed")).get_result()
    assert renamed["name"].startswith("renamed-")
    assert controller.get_resource_key(made["guid"]).get_result()["name"] == renamed["name"]

    assert controller.delete_resource_key(made["guid"]).get_status_code() == 204
    refused(404, controller.get_resource_key, made["guid"])
    key_refused(server, secret)
    with pytest.raises(ApiException) as stale:
        bearer.list_resource_instances()
    assert stale.value.status_code == 401


def test_resource_keys_are_listed(controller, make_instance, unique):
    instance, name = make_instance(), unique("listed")
    made = {
        controller.create_resource_key(name, instance["crn"], role=role).get_result()["guid"]
        for role in ("Reader", "Writer", WRITER)
    }
    pager = ResourceKeysForInstancePager(client=controller, id=instance["guid"], limit=2)
    assert set(guids(pager.get_all())) == made
    everything = guids(ResourceKeysPager(client=controller, limit=2).get_all())
    assert made <= set(everything)
    assert len(everything) == len(set(everything))
    assert set(guids(ResourceKeysPager(client=controller, name=name, limit=2).get_all())) == made
    [one, *_] = made
    assert guids(controller.list_resource_keys(guid=one).get_result()["resources"]) == [one]
    rows = controller.list_resource_keys(name=name).get_result()["resources"]
    assert all("apikey" not in row["credentials"] for row in rows)


def test_instance_with_keys_is_deleted_only_recursively(server, controller, make_instance, unique):
    instance = make_instance()
    secret = controller.create_resource_key(unique("key"), instance["guid"]).get_result()[
        "credentials"
    ]["apikey"]
    with pytest.raises(ApiException) as kept:
        controller.delete_resource_instance(instance["guid"])
    assert kept.value.status_code in (400, 409)
    controller.delete_resource_instance(instance["guid"], recursive=True)
    key_refused(server, secret)


# --- API keys


@pytest.fixture
def api_key(identity, admin, unique):
    """A new API key of the Administrator, deleted afterwards if it is still there."""
    made = identity.create_api_key(
        name=unique("key"), iam_id=admin["iam_id"], description="before"
    ).get_result()
    yield made
    try:
        identity.unlock_api_key(made["id"])
        identity.delete_api_key(made["id"])
    except ApiException as gone:
        if gone.status_code != 404:
            raise


def test_api_key_is_shown_once(server, identity, admin, api_key):
    assert api_key["iam_id"] == admin["iam_id"]
    assert api_key["account_id"] == admin["account_id"]
    assert api_key["entity_tag"]
    assert not api_key["locked"] and not api_key["disabled"]
    secret = api_key["apikey"]

    shown = identity.get_api_key(api_key["id"])
    assert "apikey" not in shown.get_result()
    assert shown.get_headers()["ETag"].strip('"') == api_key["entity_tag"]
    details = identity.get_api_keys_details(iam_api_key=secret).get_result()
    assert details == shown.get_result()
    assert claims(server.identity(secret))["iam_id"] == admin["iam_id"]


def test_api_keys_are_listed_in_pages(identity, admin, make_service_id, unique):
    subject = make_service_id()
    made = {subject["apikey"]["id"]}
    for _ in range(2):
        key = identity.create_api_key(name=unique("key"), iam_id=subject["iam_id"]).get_result()
        made.add(key["id"])
    seen, token = [], None
    for _ in range(3):
        page = identity.list_api_keys(
            account_id=admin["account_id"], iam_id=subject["iam_id"], pagesize=2, pagetoken=token
        ).get_result()
        seen += [row["id"] for row in page["apikeys"]]
        assert all("apikey" not in row for row in page["apikeys"])
        if "next" not in page:
            break
        token = get_query_param(page["next"], "pagetoken")
    assert sorted(seen) == sorted(made)
    own = identity.list_api_keys(pagesize=100).get_result()["apikeys"]
    assert {row["iam_id"] for row in own} == {admin["iam_id"]}


def test_stale_tag_updates_no_api_key(identity, api_key):
    changed = identity.update_api_key(
        api_key["id"], api_key["entity_tag"], name="after", description="changed"
    ).get_result()
    assert (changed["name"], changed["description"]) == ("after", "changed")
    assert changed["entity_tag"] != api_key["entity_tag"]
    refused(412, identity.update_api_key, api_key["id"], api_key["entity_tag"], name="late")
    assert identity.get_api_key(api_key["id"]).get_result()["name"] == "after"
    forced = identity.update_api_key(api_key["id"], "*", name="forced").get_result()
    assert forced["name"] == "forced"


def test_expiry_of_an_api_key_is_set_once(identity, admin, unique):
    made = identity.create_api_key(
        name=unique("key"), iam_id=admin["iam_id"], expires_at="2049-01-02T03:04+0000"
    ).get_result()
    try:
        expiry = datetime.fromisoformat(made["expires_at"])
        assert expiry == datetime.fromisoformat("2049-01-02T03:04:00+00:00")
        later = {"expires_at": "2050-01-02T03:04+0000"}
        refused(400, identity.update_api_key, made["id"], made["entity_tag"], **later)
        kept = identity.get_api_key(made["id"]).get_result()
        assert kept["expires_at"] == made["expires_at"]
    finally:
        identity.delete_api_key(made["id"])


def test_locked_api_key_stays_as_it_is(identity, api_key):
    identity.lock_api_key(api_key["id"])
    locked = identity.get_api_key(api_key["id"]).get_result()
    assert locked["locked"] is True
    for call in (
        lambda: identity.update_api_key(api_key["id"], locked["entity_tag"], name="other"),
        lambda: identity.delete_api_key(api_key["id"]),
    ):
        with pytest.raises(ApiException) as caught:
            call()
        assert caught.value.status_code in (400, 403, 409, 423)
    identity.unlock_api_key(api_key["id"])
    assert identity.get_api_key(api_key["id"]).get_result()["locked"] is False
    assert identity.delete_api_key(api_key["id"]).get_status_code() == 204
    refused(404, identity.get_api_key, api_key["id"])


def test_disabled_api_key_is_refused_until_enabled(server, identity, api_key):
    identity.disable_api_key(api_key["id"])
    assert identity.get_api_key(api_key["id"]).get_result()["disabled"] is True
    key_refused(server, api_key["apikey"])
    identity.enable_api_key(api_key["id"])
    assert identity.get_api_key(api_key["id"]).get_result()["disabled"] is False
    assert claims(server.identity(api_key["apikey"]))["iam_id"] == api_key["iam_id"]


def test_deleted_api_key_is_refused(server, identity, api_key):
    bearer = server.identity(api_key["apikey"])
    bearer.get_api_key(api_key["id"])
    assert identity.delete_api_key(api_key["id"]).get_status_code() == 204
    key_refused(server, api_key["apikey"])
    with pytest.raises(ApiException) as stale:
        bearer.get_api_key(api_key["id"])
    assert stale.value.status_code == 401


def test_wrong_api_key_is_refused(server):
    key_refused(server, "wrong-" * 7)


# --- Service IDs


def test_service_id_lives(server, identity, admin, make_service_id, unique):
    name = unique("service")
    made = make_service_id(name=name, description="before")
    assert made["account_id"] == admin["account_id"]
    assert made["iam_id"] == f"iam-{made['id']}"
    assert made["apikey"]["iam_id"] == made["iam_id"]
    secret = made["apikey"]["apikey"]
    assert claims(server.identity(secret))["iam_id"] == made["iam_id"]

    shown = identity.get_service_id(made["id"])
    assert shown.get_headers()["ETag"].strip('"') == made["entity_tag"]
    assert "apikey" not in shown.get_result()
    changed = identity.update_service_id(
        made["id"], made["entity_tag"], name=name + "-2", description="after"
    ).get_result()
    assert (changed["name"], changed["description"]) == (name + "-2", "after")
    refused(412, identity.update_service_id, made["id"], made["entity_tag"], name="late")

    assert identity.lock_service_id(made["id"]).get_result()["locked"] is True
    with pytest.raises(ApiException) as locked:
        identity.delete_service_id(made["id"])
    assert locked.value.status_code in (400, 403, 409, 423)
    assert identity.unlock_service_id(made["id"]).get_result()["locked"] is False

    assert identity.delete_service_id(made["id"]).get_status_code() == 204
    refused(404, identity.get_service_id, made["id"])
    key_refused(server, secret)


def test_service_ids_are_listed(identity, admin, make_service_id, unique):
    name = unique("listed")
    made = [make_service_id(name=name)["id"], make_service_id()["id"]]
    named = identity.list_service_ids(account_id=admin["account_id"], name=name).get_result()
    assert [row["id"] for row in named["serviceids"]] == made[:1]

    seen, token = [], None
    while True:
        page = identity.list_service_ids(
            account_id=admin["account_id"], pagesize=1, pagetoken=token
        ).get_result()
        assert len(page["serviceids"]) <= 1
        seen += [row["id"] for row in page["serviceids"]]
        if "next" not in page:
            break
        token = get_query_param(page["next"], "pagetoken")
    assert set(made) <= set(seen)
    assert len(seen) == len(set(seen))


# --- Policies


def v1_policy(iam_id, account, role, guid=None):
    attributes = [
        ResourceAttribute(name="accountId", value=account),
        ResourceAttribute(name="serviceName", value="appid"),
    ]
    if guid:
        attributes.append(ResourceAttribute(name="serviceInstance", value=guid))
    return {
        "type": "access",
        "subjects": [PolicySubject(attributes=[SubjectAttribute(name="iam_id", value=iam_id)])],
        "roles": [PolicyRole(role_id=role)],
        "resources": [PolicyResource(attributes=attributes)],
    }


def v2_policy(iam_id, account, role):
    return {
        "type": "access",
        "subject": V2PolicySubject(
            attributes=[
                V2PolicySubjectAttribute(key="iam_id", operator="stringEquals", value=iam_id)
            ]
        ),
        "resource": V2PolicyResource(
            attributes=[
                V2PolicyResourceAttribute(key=key, operator="stringEquals", value=value)
                for key, value in (("accountId", account), ("serviceName", "appid"))
            ]
        ),
        "control": Control(grant=Grant(roles=[Roles(role_id=role)])),
    }


def test_policy_lives(policies, admin, make_service_id):
    account, iam_id = admin["account_id"], make_service_id()["iam_id"]
    answer = policies.create_policy(**v1_policy(iam_id, account, VIEWER), description="before")
    made, tag = answer.get_result(), answer.get_headers()["ETag"]
    assert answer.get_status_code() == 201
    assert made["subjects"][0]["attributes"][0]["value"] == iam_id
    assert [role["role_id"] for role in made["roles"]] == [VIEWER]
    assert made["roles"][0]["display_name"] == "Viewer"
    assert made["state"] == "active"
    assert made["href"].endswith("/v1/policies/" + made["id"])

    shown = policies.get_policy(made["id"])
    assert (shown.get_result(), shown.get_headers()["ETag"]) == (made, tag)
    rows = policies.list_policies(account, iam_id=iam_id, type="access").get_result()["policies"]
    assert rows == [made]
    assert policies.list_policies(account, iam_id=iam_id, type="authorization").get_result()[
        "policies"
    ] == []

    wanted = v1_policy(iam_id, account, EDITOR)
    changed = policies.replace_policy(made["id"], tag, **wanted, description="after")
    assert [role["role_id"] for role in changed.get_result()["roles"]] == [EDITOR]
    assert changed.get_result()["description"] == "after"
    refused(412, policies.replace_policy, made["id"], tag, **wanted)
    refused(412, policies.update_policy_state, made["id"], tag, state="active")
    active = policies.update_policy_state(
        made["id"], changed.get_headers()["ETag"], state="active"
    ).get_result()
    assert active["state"] == "active"

    assert policies.delete_policy(made["id"]).get_status_code() == 204
    refused(404, policies.get_policy, made["id"])


def test_v2_policy_lives(policies, admin, make_service_id):
    account, iam_id = admin["account_id"], make_service_id()["iam_id"]
    answer = policies.create_v2_policy(**v2_policy(iam_id, account, READER), description="before")
    made, tag = answer.get_result(), answer.get_headers()["ETag"]
    assert answer.get_status_code() == 201
    assert made["subject"]["attributes"] == [
        {"key": "iam_id", "operator": "stringEquals", "value": iam_id}
    ]
    assert made["control"]["grant"]["roles"] == [{"role_id": READER}]
    shown = policies.get_v2_policy(made["id"])
    assert (shown.get_result(), shown.get_headers()["ETag"]) == (made, tag)

    other = policies.create_v2_policy(**v2_policy(iam_id, account, VIEWER)).get_result()
    pager = V2PoliciesPager(client=policies, account_id=account, iam_id=iam_id, limit=1)
    assert sorted(row["id"] for row in pager.get_all()) == sorted([made["id"], other["id"]])
    assert policies.list_v2_policies(account, iam_id=iam_id, type="authorization").get_result()[
        "policies"
    ] == []

    wanted = v2_policy(iam_id, account, WRITER)
    changed = policies.replace_v2_policy(made["id"], tag, **wanted, description="after")
    assert changed.get_result()["control"]["grant"]["roles"] == [{"role_id": WRITER}]
    assert changed.get_result()["description"] == "after"
    refused(412, policies.replace_v2_policy, made["id"], tag, **wanted)
    assert policies.delete_v2_policy(made["id"]).get_status_code() == 204
    refused(404, policies.get_v2_policy, made["id"])


def test_roles_are_listed(policies, admin):
    roles = policies.list_roles(account_id=admin["account_id"], service_name="appid").get_result()
    platform = {role["display_name"]: role["crn"] for role in roles["system_roles"]}
    service = {role["display_name"]: role["crn"] for role in roles["service_roles"]}
    assert {"Viewer", "Operator", "Editor", "Administrator"} <= set(platform)
    assert {"Reader", "Writer", "Manager"} <= set(service)
    assert (platform["Viewer"], platform["Editor"]) == (VIEWER, EDITOR)
    assert (service["Reader"], service["Writer"]) == (READER, WRITER)
    assert isinstance(roles["custom_roles"], list)


def test_viewer_lists_but_does_not_create(
    server, policies, admin, make_instance, make_service_id, unique
):
    instance, subject = make_instance(), make_service_id()
    secret = subject["apikey"]["apikey"]
    viewer = server.controller(secret)

    def seen():
        return guids(viewer.list_resource_instances(guid=instance["guid"]).get_result()["resources"])

    assert seen() == []
    refused(404, viewer.get_resource_instance, instance["guid"])
    policy = policies.create_policy(
        **v1_policy(subject["iam_id"], admin["account_id"], VIEWER)
    ).get_result()
    assert seen() == [instance["guid"]]
    refused(403, viewer.create_resource_instance, unique("no"), "us-south", "default", "standard")
    refused(403, viewer.update_resource_instance, instance["guid"], name="no")
    refused(403, viewer.delete_resource_instance, instance["guid"])
    refused(403, viewer.create_resource_key, unique("no"), instance["guid"])
    refused(403, server.identity(secret).create_service_id, admin["account_id"], unique("no"))
    grab = v1_policy(subject["iam_id"], admin["account_id"], EDITOR)
    refused(403, server.policies(secret).create_policy, **grab)

    policies.delete_policy(policy["id"])
    assert seen() == []


def test_policy_over_one_instance_shows_only_that(
    server, policies, admin, make_instance, make_service_id
):
    mine, other, subject = make_instance(), make_instance(), make_service_id()
    policies.create_policy(
        **v1_policy(subject["iam_id"], admin["account_id"], VIEWER, guid=mine["guid"])
    )
    viewer = server.controller(subject["apikey"]["apikey"])
    assert guids(viewer.list_resource_instances().get_result()["resources"]) == [mine["guid"]]
    refused(404, viewer.get_resource_instance, other["guid"])
