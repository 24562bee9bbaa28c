import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import {
  api,
  at,
  fits,
  look,
  makeInstance,
  makeUser,
  openBrowser,
  row,
  said,
  signedIn,
  signIn,
  unique,
  untroubled,
} from "./harness.mjs";

let browser;
let page;
before(async () => {
  browser = await openBrowser();
  page = await signedIn(browser);
});
after(() => browser.close());

const first = unique("Shop");
const second = unique("Warehouse");

test("an instance is created and opens on its overview", async () => {
  await at(page, "Instances");
  await look(page, "instances-before");
  await page.getByRole("button", { name: "Create instance" }).first().click();
  const dialog = page.getByRole("dialog");
  assert.ok(await dialog.getByRole("button", { name: "Create" }).isDisabled());
  await dialog.getByLabel("Name").fill(first);
  await dialog.getByLabel("Region").fill("eu-north");
  await look(page, "instance-create");
  await dialog.getByRole("button", { name: "Create" }).click();
  await at(page, first);
  await said(page, `${first} is created.`);
  await page.getByText("eu-north", { exact: true }).waitFor();
  await page.getByText("/.well-known/openid-configuration").waitFor();
  await page.getByText("of 5").waitFor();
  await look(page, "overview");
});

test("the tenant id can be copied", async () => {
  const guid = new URL(page.url()).pathname.split("/")[3];
  await page.getByRole("button", { name: "Copy Tenant ID (GUID)" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), guid);
});

test("the list is filtered, and an instance renamed", async () => {
  await page.getByRole("link", { name: "Vestibule", exact: true }).click();
  await at(page, "Instances");
  await page.getByRole("searchbox", { name: "Filter instances" }).fill("no such instance");
  await page.getByText("No instance matches").waitFor();
  await look(page, "instances-no-match");
  await page.getByRole("searchbox", { name: "Filter instances" }).fill(first);
  await row(page, first).waitFor();
  await look(page, "instances");
  await row(page, first).getByRole("button", { name: "Rename" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill(second);
  await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await said(page, `${first} is now called ${second}.`);
  await page.getByRole("searchbox", { name: "Filter instances" }).fill(second);
  await row(page, second).waitFor();
});

test("deleting asks for the name, and the instance can be restored whole", async () => {
  await row(page, second).getByRole("button", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog");
  const confirm = dialog.getByRole("button", { name: "Delete instance" });
  assert.ok(await confirm.isDisabled());
  await dialog.getByLabel(`Type ${second} to confirm`).fill(second);
  await look(page, "instance-delete");
  await confirm.click();
  await said(page, `${second} is deleted.`);
  await row(page, second).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Deleted", exact: true }).click();
  await row(page, second).waitFor();
  await look(page, "deleted");
  await row(page, second).getByRole("button", { name: "Restore" }).click();
  await said(page, `${second} is restored`);
  await page.getByRole("link", { name: "In use", exact: true }).click();
  await page.getByRole("searchbox", { name: "Filter instances" }).fill(second);
  await row(page, second).waitFor();
});

test("a deleted instance says so at its own address, and is destroyed for good", async () => {
  const { guid } = await makeInstance(unique("Doomed"));
  const { name } = await api("GET", `/v2/resource_instances/${guid}`);
  await api("DELETE", `/v2/resource_instances/${guid}`);
  const other = await signedIn(browser, `/console/instances/${guid}`);
  await other.getByText("This instance is deleted").waitFor();
  await look(other, "instance-deleted");
  await other.getByRole("link", { name: "See deleted instances" }).click();
  await row(other, name).getByRole("button", { name: "Destroy" }).click();
  await other.getByLabel(`Type ${name} to confirm`).fill(name);
  await other.getByRole("button", { name: "Destroy instance" }).click();
  await said(other, `${name} is destroyed.`);
  await row(other, name).waitFor({ state: "detached" });
  untroubled(other);
  await other.context().close();
});

test("more instances than a page holds are all reached", async () => {
  const word = unique("Many");
  for (let i = 0; i < 60; i += 1) await makeInstance(`${word} no ${i}`);
  const other = await signedIn(browser);
  await at(other, "Instances");
  await other.getByRole("button", { name: "Load more" }).waitFor();
  await look(other, "instances-many");
  await other.getByRole("searchbox", { name: "Filter instances" }).fill(word);
  await other.waitForFunction(() => document.querySelectorAll("tbody tr").length === 60);
  untroubled(other);
  await other.context().close();
  const page = await api("GET", "/v2/resource_instances?limit=100&state=active");
  const all = [...page.resources];
  for (let next = page.next_url; next;) {
    const more = await api("GET", next);
    all.push(...more.resources);
    next = more.next_url;
  }
  for (const one of all.filter((one) => one.name.startsWith(word))) {
    await api("DELETE", `/v2/resource_instances/${one.guid}?recursive=true`);
  }
});

test("on a phone the menu opens, leads to a page and closes", async () => {
  const { guid, name } = await makeInstance(unique("Pocket"));
  const other = await signedIn(browser, `/console/instances/${guid}`);
  await at(other, name);
  await other.setViewportSize({ width: 375, height: 780 });
  const link = other.getByRole("navigation", { name: "Instance" }).getByRole("link", { name: "Settings" });
  assert.equal(await link.isVisible(), false);
  await other.getByRole("button", { name: "Open the menu" }).click();
  await link.waitFor();
  await other.screenshot({ path: new URL("./shots/menu-375-light.png", import.meta.url).pathname });
  await link.click();
  await at(other, "Settings");
  assert.equal(await link.isVisible(), false);
  await other.getByRole("button", { name: "Open the menu" }).click();
  await other.keyboard.press("Escape");
  await link.waitFor({ state: "hidden" });
  untroubled(other);
  await other.context().close();
});

test("the menu on a phone keeps the keyboard where it is", async () => {
  const { guid, name } = await makeInstance(unique("Keys"));
  const other = await signedIn(browser, `/console/instances/${guid}`);
  await at(other, name);
  await other.setViewportSize({ width: 375, height: 780 });
  const focused = () => other.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  await other.getByRole("button", { name: "Open the menu" }).focus();
  await other.keyboard.press("Enter");
  const nav = other.getByRole("navigation", { name: "Instance" });
  await nav.getByRole("link", { name: "Settings" }).waitFor();
  assert.equal(await focused(), "Close the menu");
  await other.keyboard.press("Enter");
  await nav.waitFor({ state: "hidden" });
  assert.equal(await focused(), "Open the menu");
  await other.keyboard.press("Enter");
  await nav.getByRole("link", { name: "Roles" }).focus();
  await other.keyboard.press("Escape");
  await nav.waitFor({ state: "hidden" });
  assert.equal(await focused(), "Open the menu");
  untroubled(other);
  await other.context().close();
});

test("the page behind a dialog cannot be reached, and is heard again when it closes", async () => {
  const { name } = await makeInstance(unique("Behind"));
  const other = await signedIn(browser);
  await at(other, "Instances");
  const rename = row(other, name).getByRole("button", { name: "Rename" });
  const has = (locator) => locator.evaluate((element) => element === document.activeElement);
  await rename.focus();
  await other.keyboard.press("Enter");
  const dialog = other.getByRole("dialog");
  await other.locator("#instance-name:focus").waitFor();
  // Faster than the dialog's own watch over the focus: every key comes before its timers.
  const behind = await other.evaluate(() => {
    const reached = [];
    document.addEventListener("focusin", ({ target }) => {
      if (!target.closest(".cds--modal")) reached.push(target.outerHTML.slice(0, 80));
    });
    return (window.reached = reached);
  });
  assert.deepEqual(behind, []);
  const keys = (key) => Promise.all(Array.from({ length: 12 }, () => other.keyboard.press(key)));
  await keys("Tab");
  await keys("Shift+Tab");
  assert.deepEqual(await other.evaluate(() => window.reached), []);
  assert.equal(await other.evaluate(() => document.querySelector("#root").inert), true);

  await other.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await other.waitForFunction(() => document.activeElement?.textContent === "Rename");
  assert.ok(await has(rename));

  // What is said after it lands in a page that is not inert any more, or it would not be announced.
  await other.evaluate(() => {
    new MutationObserver(() => {
      const notice = document.querySelector(".v-notices [role=status]");
      if (notice) window.heard ??= notice.closest("[inert]") === null;
    }).observe(document.body, { childList: true, subtree: true });
  });
  await rename.press("Enter");
  await dialog.getByLabel("Name").fill(`${name} again`);
  await other.keyboard.press("Enter");
  await said(other, `${name} is now called ${name} again.`);
  assert.equal(await other.evaluate(() => window.heard), true);
  assert.equal(await other.evaluate(() => document.querySelectorAll("[inert]").length), 0);
  untroubled(other);
  await other.context().close();
});

test("names and addresses that cannot be broken are shown whole, also on narrow windows", async () => {
  const name = `${"N".repeat(60)}${unique("").trim()}`;
  const { guid } = await makeInstance(name);
  const { guid: target } = await makeInstance(`${"T".repeat(60)}${unique("").trim()}`);
  const base = `/management/v4/${guid}`;
  const { clientId } = await api("POST", `${base}/applications`, {
    name: "W".repeat(49),
    type: "regularwebapp",
  });
  await api("POST", `${base}/roles`, { name: "R".repeat(50), description: "D".repeat(120), access: [] });
  const email = `${"a".repeat(60)}@${"b".repeat(50)}.example.com`;
  const { id } = await makeUser(guid, email, { displayName: "U".repeat(100) });

  const other = await signedIn(browser);
  await at(other, "Instances");
  await other.getByRole("searchbox", { name: "Filter instances" }).fill(name);
  const asked = async (button, page) => {
    await button.click();
    await fits(other, page);
    await other.keyboard.press("Escape");
    await other.getByRole("dialog").waitFor({ state: "detached" });
  };
  await asked(row(other, name).getByRole("button", { name: "Rename" }), "instance-rename");
  await asked(row(other, name).getByRole("button", { name: "Delete" }), "instance-delete");

  const visit = async (path, heading) => {
    await other.goto(new URL(`/console/instances/${path}`, other.url()).href);
    await signIn(other);
    await at(other, heading);
  };
  await visit(`${guid}/applications/${clientId}`, "W".repeat(49));
  await other.getByText("D".repeat(120)).waitFor();
  await fits(other, "application");
  await asked(other.getByRole("button", { name: "Rename" }), "application-rename");
  await asked(other.getByRole("button", { name: "Delete" }), "application-delete");
  await visit(`${guid}/users/directory/${id}`, "U".repeat(100));
  await other.getByRole("button", { name: "Prepare the profile" }).click();
  await other.getByText("D".repeat(120)).waitFor();
  await fits(other, "user");
  await asked(other.getByRole("button", { name: "Delete" }), "user-delete");
  await visit(`${target}/duplicate`, "Duplicate from another instance");
  await other.getByLabel("Copy from").selectOption(guid);
  await fits(other, "duplicate");
  await other.getByRole("button", { name: "Preview" }).click();
  await other.getByRole("heading", { name: "What will change" }).waitFor();
  await fits(other, "duplicate-preview");
  untroubled(other);
  await other.context().close();
});

test("no script failed", () => untroubled(page));
