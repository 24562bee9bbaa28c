import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { API_KEY, at, look, openBrowser, openPage, signedIn, signIn, untroubled } from "./harness.mjs";

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser.close());

test("a wrong API key is refused in words, the right one opens the instances", async () => {
  const page = await openPage(browser);
  await look(page, "sign-in");
  await signIn(page, "this-is-not-a-key");
  await page.getByText("The service does not know this API key.").waitFor();
  await look(page, "sign-in-refused");
  await signIn(page);
  await at(page, "Instances");
  untroubled(page);
  await page.context().close();
});

test("an empty key is not sent", async () => {
  const page = await openPage(browser);
  let asked = 0;
  page.on("request", (request) => (asked += request.url().endsWith("/identity/token") ? 1 : 0));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Enter an API key.").waitFor();
  assert.equal(asked, 0);
  await page.context().close();
});

test("neither the key nor a token is kept anywhere, and a reload asks again", async () => {
  const page = await signedIn(browser, "/console/instances/deleted");
  await at(page, "Instances");
  const kept = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    cookie: document.cookie,
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
    url: location.href,
    page: document.documentElement.outerHTML,
  }));
  assert.deepEqual([kept.local, kept.session, kept.cookie, kept.databases, kept.caches], [{}, {}, "", 0, 0]);
  assert.ok(!kept.page.includes(API_KEY) && !kept.url.includes(API_KEY));
  assert.deepEqual(await page.context().cookies(), []);
  await page.reload();
  await page.getByLabel("API key").waitFor();
  // The address is kept: after signing in, the page that was open is back.
  await signIn(page);
  await at(page, "Instances");
  assert.ok(page.url().endsWith("/console/instances/deleted"));
  untroubled(page);
  await page.context().close();
});

test("signing out and fifteen idle minutes end the session", async () => {
  const page = await openPage(browser);
  await page.clock.install();
  await signIn(page);
  await at(page, "Instances");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out.").waitFor();
  await signIn(page);
  await at(page, "Instances");
  await page.clock.runFor("14:00");
  await page.keyboard.press("Shift");
  await page.clock.runFor("14:00");
  assert.equal(await page.getByLabel("API key").count(), 0, "activity keeps the session");
  await page.clock.runFor("01:30");
  await page.getByText("You were signed out after 15 minutes without activity.").waitFor();
  await page.context().close();
});

test("an unknown address says so", async () => {
  const page = await signedIn(browser, "/console/nothing/here");
  await at(page, "Page not found");
  await look(page, "not-found");
  await page.getByRole("link", { name: "See all instances" }).click();
  await at(page, "Instances");
  await page.goto(page.url().replace(/instances$/, "instances/00000000-0000-4000-8000-000000000000"));
  await signIn(page);
  await page.getByRole("alert").getByText("This could not be loaded").waitFor();
  await look(page, "unknown-instance");
  await page.context().close();
});

test("a service that cannot be reached is said kindly and can be tried again", async () => {
  const page = await signedIn(browser);
  await at(page, "Instances");
  await page.route("**/v1/reclamations", (route) => route.abort());
  await page.getByRole("link", { name: "Deleted" }).click();
  await page.getByText("The service could not be reached.").waitFor();
  await look(page, "unreachable");
  await page.unroute("**/v1/reclamations");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("This could not be loaded").waitFor({ state: "detached" });
  await page.context().close();
});

test("a page whose script does not come is told so, and nothing else is lost by it", async () => {
  const page = await signedIn(browser);
  await at(page, "Instances");
  const lost = (route) => route.abort("connectionreset");
  const signedOut = () => page.getByLabel("API key").count();
  const outbox = page.getByRole("link", { name: "Outbox", exact: true });
  await page.route("**/assets/outbox*.js", lost);
  await outbox.click();
  await at(page, "Page not loaded");
  await page.getByText("The service could not be reached.").waitFor();
  await look(page, "page-unreachable");

  // Other pages, and back and forward again.
  await page.getByRole("link", { name: "Vestibule", exact: true }).click();
  await at(page, "Instances");
  await page.goBack();
  await at(page, "Page not loaded");
  await page.goBack();
  await at(page, "Instances");
  await page.goForward();
  await at(page, "Page not loaded");
  assert.equal(await signedOut(), 0);

  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("The service could not be reached.").waitFor();
  await page.unroute("**/assets/outbox*.js");
  await page.getByRole("button", { name: "Try again" }).click();
  await at(page, "Outbox");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
  assert.equal(await signedOut(), 0);
  untroubled(page);
  await page.context().close();
});

test("one lost request for a script is not even noticed, nor is one of a script that a page shares", async () => {
  const page = await signedIn(browser);
  await at(page, "Instances");
  const seen = new Map();
  await page.route("**/assets/*.js", (route) => {
    const url = route.request().url();
    seen.set(url, (seen.get(url) ?? 0) + 1);
    return seen.get(url) === 1 ? route.abort("connectionreset") : route.continue();
  });
  await page.getByRole("link", { name: "Outbox", exact: true }).click();
  await at(page, "Outbox");
  assert.ok(seen.size > 0);
  await page.context().close();
});

test("a page whose script is gone because the service was updated says so", async () => {
  const page = await signedIn(browser);
  await at(page, "Instances");
  await page.route("**/assets/outbox*.js", (route) => route.fulfill({ status: 404, body: "not found" }));
  await page.route("**/console/", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({
      response: answer,
      body: (await answer.text()).replaceAll(/index-\w+/g, "index-new"),
    });
  });
  await page.getByRole("link", { name: "Outbox", exact: true }).click();
  await at(page, "There is a newer console");
  await look(page, "page-replaced");
  await page.getByRole("link", { name: "Vestibule", exact: true }).click();
  await at(page, "Instances");
  await page.context().close();
});

test("a page that fails leaves the others, and can be tried again", async () => {
  const page = await signedIn(browser);
  await at(page, "Instances");
  // No name to be shown, against the contract.
  const deleted = /resource_instances.*state=pending_reclamation/;
  await page.route(deleted, (route) =>
    route.fulfill({ json: { resources: [{ guid: "1", name: {} }], next_url: null } }),
  );
  await page.getByRole("link", { name: "Deleted" }).click();
  await at(page, "The console could not show this page");
  await look(page, "page-crashed");
  await page.getByRole("link", { name: "Vestibule", exact: true }).click();
  await at(page, "Instances");
  await page.goBack();
  await at(page, "The console could not show this page");
  await page.unroute(deleted);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("link", { name: "In use", exact: true }).waitFor();
  await at(page, "Instances");
  await page.context().close();
});

test("the keyboard alone is enough to sign in and to reach the content", async () => {
  const page = await openPage(browser);
  await page.locator("#api-key:focus").waitFor();
  await page.keyboard.type(API_KEY);
  await page.keyboard.press("Enter");
  await at(page, "Instances");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
  await page.getByRole("link", { name: "Skip to the content" }).focus();
  await page.keyboard.press("Enter");
  assert.ok(page.url().endsWith("#content"));
  await page.context().close();
});

test("a token that ends soon is renewed without a question", async () => {
  const page = await openPage(browser);
  const grants = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/identity/token"))
      grants.push(new URLSearchParams(request.postData()).get("grant_type"));
  });
  await page.clock.install();
  await signIn(page);
  await at(page, "Instances");
  for (let minutes = 0; minutes < 60; minutes += 10) {
    await page.clock.runFor("10:00");
    await page.keyboard.press("Shift");
  }
  await page.getByRole("link", { name: "Deleted" }).click();
  await page.getByText("A deleted instance rests here").waitFor();
  await at(page, "Instances");
  assert.deepEqual(grants, ["urn:ibm:params:oauth:grant-type:apikey", "refresh_token"]);
  await page.context().close();
});
