import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import {
  api,
  at,
  look,
  makeInstance,
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
const base = () => `/management/v4/${tenant}`;
before(async () => {
  browser = await openBrowser();
  tenant = (await makeInstance(unique("Access"))).guid;
  page = await signedIn(browser, `/console/instances/${tenant}/applications`);
});
after(() => browser.close());

test("an application is added and its credentials are shown and copied", async () => {
  await page.getByText("There is no application yet").waitFor();
  await look(page, "applications-empty");
  await page.getByRole("button", { name: "Add application" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Orders");
  await look(page, "application-add");
  await dialog.getByRole("button", { name: "Add" }).click();
  await at(page, "Orders");
  await page.getByRole("region", { name: "Credentials" }).getByText(tenant).first().waitFor();
  await page.getByRole("button", { name: "Copy Credentials" }).click();
  const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
  const { applications } = await api("GET", `${base()}/applications`);
  assert.equal(copied.clientId, applications[0].clientId);
  assert.equal(copied.tenantId, tenant);
  assert.ok(
    copied.secret && copied.oAuthServerUrl.endsWith(`/oauth/v4/${tenant}`) && copied.discoveryEndpoint,
  );
  await look(page, "application");
  await page.getByRole("button", { name: "Hide credentials" }).click();
  assert.equal(await page.getByText(copied.secret).count(), 0);
});

test("a single-page application has no secret", async () => {
  await page.getByRole("link", { name: "Applications" }).first().click();
  await at(page, "Applications");
  await page.getByRole("button", { name: "Add application" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Shop window");
  await page.getByText("Single-page application", { exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
  await at(page, "Shop window");
  const shown = JSON.parse(await page.getByRole("region", { name: "Credentials" }).innerText());
  assert.equal(shown.type, "singlepageapp");
  assert.equal(shown.secret, undefined);
});

test("scopes are edited, and a bad one is refused in words", async () => {
  await page.getByRole("link", { name: "Applications" }).first().click();
  await at(page, "Applications");
  await look(page, "applications");
  await page.getByRole("link", { name: "View credentials of Orders" }).click();
  await at(page, "Orders");
  const save = page.getByRole("button", { name: "Save scopes" });
  await page.getByLabel("Scopes").fill("orders.read\nNOT A SCOPE");
  await savesInPlace(page, save, "/scopes", "That did not work");
  await page.getByLabel("Scopes").fill("orders.read\norders.write");
  await savesInPlace(page, save, "/scopes", "The scopes are saved.");
});

test("a role is created with scopes, edited, given to an application and deleted", async () => {
  await page.getByRole("link", { name: "Roles" }).first().click();
  await page.getByText("There is no role yet").waitFor();
  await look(page, "roles-empty");
  await page.getByRole("link", { name: "Create role" }).click();
  await at(page, "Create role");
  await page.getByLabel("Name").fill("clerk");
  await page.getByLabel("Description (optional)").fill("Takes orders");
  await page.getByText("orders.read", { exact: true }).click();
  await look(page, "role");
  await page.getByRole("button", { name: "Create role" }).click();
  await said(page, "The role clerk is created.");
  await row(page, "clerk").getByText("Orders: orders.read").waitFor();
  await look(page, "roles");

  await page.getByRole("link", { name: "clerk" }).click();
  await at(page, "clerk");
  await page.getByText("orders.write", { exact: true }).click();
  await page.getByRole("button", { name: "Save role" }).click();
  await said(page, "The role clerk is saved.");
  const { roles } = await api("GET", `${base()}/roles`);
  assert.deepEqual([...roles[0].access[0].scopes].sort(), ["orders.read", "orders.write"]);
  assert.equal(roles[0].description, "Takes orders");

  await page.getByRole("link", { name: "Applications" }).first().click();
  await page.getByRole("link", { name: "Orders", exact: true }).click();
  await at(page, "Orders");
  await page.getByText("clerk", { exact: true }).click();
  const save = page.getByRole("button", { name: "Save roles" });
  await savesInPlace(page, save, "/roles", "The application's roles are saved.");
  const { applications } = await api("GET", `${base()}/applications`);
  const orders = applications.find((one) => one.name === "Orders");
  const own = await api("GET", `${base()}/applications/${orders.clientId}/roles`);
  assert.deepEqual(
    own.roles.map((one) => one.name),
    ["clerk"],
  );

  await page.getByRole("link", { name: "Roles" }).first().click();
  await row(page, "clerk").getByRole("button", { name: "Delete" }).click();
  await look(page, "role-delete");
  await page.getByRole("button", { name: "Delete role" }).click();
  await said(page, "The role clerk is deleted.");
  await page.getByText("There is no role yet").waitFor();
});

test("an application is renamed and deleted", async () => {
  await page.getByRole("link", { name: "Applications" }).first().click();
  await page.getByRole("link", { name: "Orders", exact: true }).click();
  await at(page, "Orders");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Order desk");
  await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await said(page, "The application is now called Order desk.");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete application" }).click();
  await said(page, "Order desk is deleted.");
  await row(page, "Order desk").waitFor({ state: "detached" });
});

test("no script failed", () => untroubled(page));
