"""Clients of a running server, made with the unmodified ibm-platform-services package.

VESTIBULE_URL is the server's base URL; VESTIBULE_API_KEY is an Administrator's API key.
"""

import os
import uuid

import pytest
from ibm_cloud_sdk_core import ApiException
from ibm_cloud_sdk_core.authenticators import IAMAuthenticator
from ibm_platform_services import (
    IamIdentityV1,
    IamPolicyManagementV1,
    ResourceControllerV2,
)


URL = os.environ.get("VESTIBULE_URL", "").rstrip("/")


def client(service, api_key=None):
    """A client of the service, signed in with an API key (the administrator's, when none is given)."""
    return Server(URL).client(service, api_key or os.environ["VESTIBULE_API_KEY"])


class Server:
    """The server under test, and clients of it for any API key."""

    def __init__(self, url):
        self.url = url

    def client(self, service, apikey):
        client = service(authenticator=IAMAuthenticator(apikey, url=self.url))
        client.set_service_url(self.url)
        return client

    def controller(self, apikey):
        return self.client(ResourceControllerV2, apikey)

    def identity(self, apikey):
        return self.client(IamIdentityV1, apikey)

    def policies(self, apikey):
        return self.client(IamPolicyManagementV1, apikey)


def _setting(name):
    value = os.environ.get(name)
    if not value:
        pytest.exit(f"{name} is not set: these tests need a running server", returncode=2)
    return value


@pytest.fixture(scope="session")
def admin_key():
    return _setting("VESTIBULE_API_KEY")


@pytest.fixture(scope="session")
def server(admin_key):
    return Server(_setting("VESTIBULE_URL").rstrip("/"))


@pytest.fixture(scope="session")
def controller(server, admin_key):
    return server.controller(admin_key)


@pytest.fixture(scope="session")
def identity(server, admin_key):
    return server.identity(admin_key)


@pytest.fixture(scope="session")
def policies(server, admin_key):
    return server.policies(admin_key)


@pytest.fixture(scope="session")
def admin(identity, admin_key):
    """The Administrator's own API key as the server describes it: account_id and iam_id are in it."""
    return identity.get_api_keys_details(iam_api_key=admin_key).get_result()


@pytest.fixture(scope="session")
def resources(controller):
    return controller


@pytest.fixture(scope="session")
def me(admin):
    return admin


@pytest.fixture
def name(unique):
    return unique("name")


@pytest.fixture
def instance(make_instance, name):
    return make_instance(name)


@pytest.fixture
def service_id(make_service_id):
    return make_service_id()


@pytest.fixture
def unique():
    """Makes names that no other run used."""
    return lambda word: f"{word}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def make_instance(controller, unique):
    """Makes instances, and destroys for good those that are left when the test ends."""
    made = []

    def make(name=None, **more):
        instance = controller.create_resource_instance(
            name=name or unique("instance"),
            target="us-south",
            resource_group="default",
            resource_plan_id="standard",
            **more,
        ).get_result()
        made.append(instance["guid"])
        return instance

    yield make
    for guid in made:
        if controller.get_resource_instance(guid).get_result()["state"] == "active":
            controller.unlock_resource_instance(guid)
            controller.delete_resource_instance(guid, recursive=True)
        waiting = controller.list_reclamations(resource_instance_id=guid).get_result()
        for reclamation in waiting["resources"]:
            controller.run_reclamation_action(reclamation["id"], "reclaim")


@pytest.fixture
def make_service_id(identity, admin, unique):
    """Makes service IDs with an API key each, and deletes those that are left."""
    made = []

    def make(**more):
        subject = identity.create_service_id(
            account_id=admin["account_id"],
            name=more.pop("name", None) or unique("service"),
            apikey={"name": unique("key")},
            **more,
        ).get_result()
        made.append(subject["id"])
        return subject

    yield make
    for subject in made:
        try:
            identity.unlock_service_id(subject)
            identity.delete_service_id(subject)
        except ApiException as gone:
            if gone.status_code != 404:
                raise
