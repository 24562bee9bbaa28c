import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import {
  api,
  at,
  importProfiles,
  look,
  makeInstance,
  makeUser,
  openBrowser,
  row,
  said,
  savesInPlace,
  signedIn,
  unique,
  untroubled,
} from "./harness.mjs";

let browser;
let page;
let tenant;
before(async () => {
  browser = await openBrowser();
  tenant = (await makeInstance(unique("People"))).guid;
  page = await signedIn(browser, `/console/instances/${tenant}/users`);
});
after(() => browser.close());

const email = "ada@example.com";

test("a directory user is created; a weak password and a taken address are refused in words", async () => {
  await at(page, "Users");
  await page.getByText("The directory is empty").waitFor();
  await look(page, "users-empty");
  await page.getByRole("button", { name: "Create user" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("E-mail address").fill(email);
  await dialog.getByLabel("First name (optional)").fill("Ada");
  await dialog.getByLabel("Last name (optional)").fill("Lovelace");
  await dialog.getByLabel("Password", { exact: true }).fill("x");
  const create = dialog.getByRole("button", { name: "Create" });
  await create.click();
  await dialog.getByText("That did not work").waitFor();
  assert.ok(await create.evaluate((element) => element === document.activeElement));
  await look(page, "user-create-refused");
  await dialog.getByLabel("Password", { exact: true }).fill("Correct-horse-7-battery");
  await dialog.getByRole("button", { name: "Create" }).click();
  await at(page, "Ada Lovelace");
  await said(page, `${email} is created.`);
  await look(page, "directory-user");

  await page.getByRole("link", { name: "Directory users" }).click();
  await page.getByRole("button", { name: "Create user" }).click();
  await dialog.getByLabel("E-mail address").fill(email);
  await dialog.getByLabel("Password", { exact: true }).fill("Correct-horse-7-battery");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByText("That did not work").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
});

test("the search is exact and says so", async () => {
  await makeUser(tenant, "grace@example.com", { displayName: "Grace Hopper" });
  await page.getByRole("searchbox", { name: "Search directory users" }).fill("grace");
  await page.getByRole("button", { name: "Search", exact: true }).click();
  await page.getByText("Nobody is found for “grace”").waitFor();
  await look(page, "users-no-match");
  await page.getByRole("searchbox", { name: "Search directory users" }).fill("grace@example.com");
  await page.getByRole("button", { name: "Search", exact: true }).click();
  await row(page, "Grace Hopper").waitFor();
  assert.equal(await row(page, "Ada Lovelace").count(), 0);
  await page.getByLabel("Clear the search").click();
  await row(page, "Ada Lovelace").waitFor();
  await look(page, "users");
});

test("details are edited", async () => {
  await page.getByRole("link", { name: "Grace Hopper" }).click();
  await at(page, "Grace Hopper");
  await page.getByLabel("Display name").fill("Rear Admiral Hopper");
  await page.getByText("May sign in").click();
  const save = page.getByRole("button", { name: "Save details" });
  const id = new URL(page.url()).pathname.split("/").pop();
  await savesInPlace(page, save, `/Users/${id}`, "The user is saved.");
  await at(page, "Rear Admiral Hopper");
  await page.getByText("Disabled").waitFor();
  const found = await api("GET", `/management/v4/${tenant}/cloud_directory/Users?query=grace@example.com`);
  assert.equal(found.Resources[0].active, false);
  assert.equal(found.Resources[0].displayName, "Rear Admiral Hopper");
});

test("a user who never signed in gets a profile, attributes and roles in advance", async () => {
  await page.getByText("This user has no profile yet").waitFor();
  await look(page, "directory-user-no-profile");
  await page.getByRole("button", { name: "Prepare the profile" }).click();
  await page.getByLabel("Attributes").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
  await page.getByLabel("Attributes").fill('{"rank": "admiral"}');
  await page.getByRole("button", { name: "Save attributes" }).click();
  await said(page, "The attributes are saved.");
  const found = await api("GET", `/management/v4/${tenant}/cloud_directory/Users?query=grace@example.com`);
  const { sub } = await api(
    "GET",
    `/management/v4/${tenant}/cloud_directory/${found.Resources[0].id}/userinfo`,
  );
  const { attributes } = await api("GET", `/management/v4/${tenant}/users/${sub}/profile`);
  assert.deepEqual(attributes, { rank: "admiral" });
});

test("profiles are listed with their identities; attributes and roles are edited", async () => {
  await api("POST", `/management/v4/${tenant}/roles`, { name: "captain", description: "Steers", access: [] });
  await importProfiles(tenant, [
    {
      id: "0d5b7b8c-6f6e-4f0e-9d0c-7d1f5c1b2a3e",
      name: "Margaret Hamilton",
      email: "margaret@example.com",
      identities: [
        { provider: "google", id: "1057", idpUserInfo: { name: "Margaret Hamilton", verified: true } },
      ],
      attributes: { programme: "Apollo", flights: 11 },
      roles: [],
    },
  ]);
  await page.getByRole("link", { name: "Users", exact: true }).click();
  await page.getByRole("link", { name: "Federated and all profiles" }).click();
  await row(page, "Margaret Hamilton").waitFor();
  await look(page, "profiles");
  await page.getByRole("searchbox", { name: "Search profiles" }).fill("nobody@example.com");
  await page.getByRole("button", { name: "Search", exact: true }).click();
  await page.getByText("Nobody is found for").waitFor();
  await page.getByLabel("Search by").selectOption("id");
  await page.getByRole("searchbox", { name: "Search profiles" }).fill("1057");
  await page.getByRole("button", { name: "Search", exact: true }).click();
  await page.getByRole("link", { name: "Margaret Hamilton" }).click();
  await at(page, "Margaret Hamilton");
  await page.getByRole("region", { name: "Identity of Google" }).getByText('"verified": true').waitFor();

  const attributes = page.getByLabel("Attributes");
  await attributes.fill('{"programme": ');
  await page.getByRole("button", { name: "Save attributes" }).click();
  await page.getByText("This is not valid JSON.").waitFor();
  await look(page, "profile");
  await attributes.fill('{"programme": "Skylab", "flights": 4}');
  const save = (what) => page.getByRole("button", { name: `Save ${what}` });
  await savesInPlace(page, save("attributes"), "/profile", "The attributes are saved.");
  await page.getByText("captain", { exact: true }).click();
  await savesInPlace(page, save("roles"), "/roles", "The user's roles are saved.");

  const { users } = await api("GET", `/management/v4/${tenant}/users?dataScope=full&id=1057`);
  const saved = await api("GET", `/management/v4/${tenant}/users/${users[0].id}/profile`);
  assert.deepEqual([saved.attributes.programme, saved.attributes.flights], ["Skylab", 4]);
  const { roles } = await api("GET", `/management/v4/${tenant}/users/${users[0].id}/roles`);
  assert.deepEqual(
    roles.map((one) => one.name),
    ["captain"],
  );
});

test("a profile and a directory user are deleted", async () => {
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await look(page, "profile-delete");
  await page.getByRole("button", { name: "Delete profile" }).click();
  await said(page, "Margaret Hamilton is deleted.");
  await row(page, "Margaret Hamilton").waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Directory users" }).click();
  await page.getByRole("link", { name: "Ada Lovelace" }).click();
  await at(page, "Ada Lovelace");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("button", { name: "Delete user" }).click();
  await said(page, "Ada Lovelace is deleted.");
  await row(page, "Rear Admiral Hopper").waitFor();
  assert.equal(await row(page, "Ada Lovelace").count(), 0);
  const found = await api("GET", `/management/v4/${tenant}/cloud_directory/Users?query=${email}`);
  assert.equal(found.Resources.length, 0);
});

test("a long directory is stepped through", async () => {
  const { guid } = await makeInstance(unique("Crowd"));
  for (let i = 0; i < 52; i += 1) await makeUser(guid, `user${String(i).padStart(2, "0")}@example.com`);
  const other = await signedIn(browser, `/console/instances/${guid}/users/directory`);
  await other.getByText("1–50 of 52").waitFor();
  await look(other, "users-many");
  await other.getByRole("button", { name: "Next" }).click();
  await other.getByText("51–52 of 52").waitFor();
  assert.ok(await other.getByRole("button", { name: "Next" }).isDisabled());
  await other.getByRole("button", { name: "Previous" }).click();
  await other.getByText("1–50 of 52").waitFor();
  untroubled(other);
  await other.context().close();
});

test("no script failed", () => untroubled(page));
