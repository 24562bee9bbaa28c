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
let source;
let target;
const sourceName = unique("Source");
before(async () => {
  browser = await openBrowser();
  source = (await makeInstance(sourceName)).guid;
  target = (await makeInstance(unique("Target"))).guid;
  page = await signedIn(browser, `/console/instances/${source}/providers`);
});
after(() => browser.close());

const provider = (tenant, name) => api("GET", `/management/v4/${tenant}/config/idps/${name}`);

test("a provider is configured and switched on", async () => {
  await at(page, "Identity providers");
  await look(page, "providers");
  await page.getByRole("link", { name: "Edit Google" }).click();
  await at(page, "Google");
  await page.getByLabel("Client ID").fill("1234.apps.example.com");
  await page.getByLabel("Client secret").fill("a-google-secret");
  await page.getByText("Off", { exact: true }).click();
  await look(page, "provider-google");
  await page.getByRole("button", { name: "Save" }).click();
  await said(page, "Google is saved.");
  const saved = await provider(source, "google");
  assert.equal(saved.isActive, true);
  assert.equal(saved.config.idpId, "1234.apps.example.com");
});

test("a provider is switched off and on from the list", async () => {
  await page.getByRole("link", { name: "Identity providers" }).first().click();
  await at(page, "Identity providers");
  await page.getByRole("switch", { name: /^Google/ }).press("Space");
  await said(page, "Google is switched off.");
  assert.equal((await provider(source, "google")).isActive, false);
  await page.getByRole("switch", { name: /^Google/ }).press("Space");
  await said(page, "Google is switched on.");
});

test("a provider that is not configured cannot be switched on, and the page says why", async () => {
  await page.getByRole("switch", { name: /^SAML/ }).press("Space");
  await page.locator(".v-notices").getByText("SAML is not set up yet.").waitFor();
  await look(page, "provider-refused");
  assert.equal((await provider(source, "saml")).isActive, false);
});

test("the directory's settings are edited without losing the others", async () => {
  const before = await provider(source, "cloud_directory");
  await page.getByRole("link", { name: "Edit Cloud Directory" }).click();
  await at(page, "Cloud Directory");
  await page.getByText("Sign up", { exact: true }).click();
  await page.getByLabel("Confirmation of the e-mail address").selectOption("RESTRICTIVE");
  await look(page, "provider-cloud-directory");
  await page.getByRole("button", { name: "Save" }).click();
  await said(page, "Cloud Directory is saved.");
  const saved = await provider(source, "cloud_directory");
  assert.equal(saved.config.signupEnabled, !before.config.signupEnabled);
  assert.equal(saved.config.interactions.identityConfirmation.accessMode, "RESTRICTIVE");
  assert.equal(saved.config.interactions.welcomeEnabled, before.config.interactions.welcomeEnabled);
});

test("every other provider has its page", async () => {
  for (const [link, name] of [
    ["Edit Facebook", "Facebook"],
    ["Edit Custom", "Custom"],
    ["Edit SAML", "SAML"],
  ]) {
    await page.getByRole("link", { name: "Identity providers" }).first().click();
    await page.getByRole("link", { name: link }).click();
    await at(page, name);
    await look(page, `provider-${name.toLowerCase()}`);
  }
});

test("token lifetimes and redirect URIs are set", async () => {
  await page.getByRole("link", { name: "Settings" }).click();
  await at(page, "Settings");
  await page.getByLabel("Access and identity tokens").selectOption("7200");
  await page.getByText("Issue refresh tokens").click();
  await page.getByRole("button", { name: "Save lifetimes" }).click();
  await said(page, "The token lifetimes are saved.");
  const tokens = await api("GET", `/management/v4/${source}/config/tokens`);
  assert.equal(tokens.access.expires_in, 7200);
  assert.equal(tokens.refresh.enabled, true);
  await page.getByText("Keep people signed in").click();
  await page.getByLabel("Until nothing was signed in to for").selectOption("3600");
  await page.getByLabel("Where signing out may return to").fill("https://app.example.com/out");
  await page.getByRole("button", { name: "Save single sign-on" }).click();
  await said(page, "Single sign-on is on.");
  assert.deepEqual(await api("GET", `/management/v4/${source}/config/cloud_directory/sso`), {
    isActive: true,
    inactivityTimeoutSeconds: 3600,
    logoutRedirectUris: ["https://app.example.com/out"],
  });
  await page.getByLabel("Redirect URIs").fill("ftp://example.com/");
  await page.getByRole("button", { name: "Save redirect URIs" }).click();
  await page.locator(".v-notices").getByText("That did not work").waitFor();
  await page.getByLabel("Redirect URIs").fill("https://app.example.com/callback\nhttp://localhost:3000/*");
  await page.getByRole("button", { name: "Save redirect URIs" }).click();
  await said(page, "The redirect URIs are saved.");
  await look(page, "settings");
  const { redirectUris } = await api("GET", `/management/v4/${source}/config/redirect_uris`);
  assert.deepEqual(redirectUris, ["https://app.example.com/callback", "http://localhost:3000/*"]);
});

test("the keyboard stays on the button that saves, whether it went well or not", async () => {
  const save = (name) => page.getByRole("button", { name, exact: true });
  await page.getByRole("link", { name: "Settings" }).click();
  await at(page, "Settings");
  await savesInPlace(page, save("Save lifetimes"), "/config/tokens", "The token lifetimes are saved.");
  await savesInPlace(page, save("Save single sign-on"), "/sso", "Single sign-on is on.");
  const uris = page.getByLabel("Redirect URIs");
  const before = await uris.inputValue();
  await uris.fill("ftp://example.com/");
  await savesInPlace(page, save("Save redirect URIs"), "/config/redirect_uris", "That did not work");
  await uris.fill(before);
  await savesInPlace(page, save("Save redirect URIs"), "/config/redirect_uris", "URIs are saved.");

  await page.getByRole("link", { name: "Identity providers" }).first().click();
  await page.getByRole("link", { name: "Edit Google" }).click();
  await at(page, "Google");
  await savesInPlace(page, save("Save"), "/idps/google", "Google is saved.");
  await page.getByRole("link", { name: "Identity providers" }).first().click();
  await at(page, "Identity providers");
  const google = page.getByRole("switch", { name: /^Google/ });
  for (const way of ["off", "on"]) {
    await google.press("Space");
    await said(page, `Google is switched ${way}.`);
    assert.ok(await google.evaluate((element) => element === document.activeElement));
  }
});

test("configuration is duplicated after a preview that changes nothing", async () => {
  const before = await provider(target, "google");
  const other = await signedIn(browser, `/console/instances/${target}/providers`);
  await at(other, "Identity providers");
  await other.getByRole("link", { name: "Duplicate from another instance" }).click();
  await at(other, "Duplicate from another instance");
  await other.getByLabel("Copy from").selectOption(source);
  await look(other, "duplicate");
  await other.getByRole("button", { name: "Preview" }).click();
  await other.getByRole("heading", { name: "What will change" }).waitFor();
  const redirects = row(other, "Redirect URIs");
  await redirects.getByText("Left as it is").waitFor();
  await look(other, "duplicate-preview");
  assert.deepEqual(await provider(target, "google"), before, "a preview must change nothing");

  // Redirect URIs only travel when they are ticked.
  await redirects.getByText("Redirect URIs").click();
  await redirects.getByText("Left as it is").waitFor({ state: "detached" });
  await other.getByRole("button", { name: "Apply" }).click();
  await other.getByRole("heading", { name: "What was done" }).waitFor();
  await look(other, "duplicate-result");
  const copied = await provider(target, "google");
  assert.equal(copied.isActive, true);
  assert.equal(copied.config.idpId, "1234.apps.example.com");
  const tokens = await api("GET", `/management/v4/${target}/config/tokens`);
  assert.equal(tokens.access.expires_in, 7200);
  const { redirectUris } = await api("GET", `/management/v4/${target}/config/redirect_uris`);
  assert.equal(redirectUris.length, 2);

  // Once more: everything is equal, and there is nothing to apply.
  await other.getByRole("button", { name: "Duplicate from another one" }).click();
  await other.getByRole("button", { name: "Preview" }).click();
  await other.getByText("There is nothing to change").waitFor();
  assert.ok(await other.getByRole("button", { name: "Apply" }).isDisabled());
  untroubled(other);
  await other.context().close();
});

test("applications and roles come along when asked for", async () => {
  await api("POST", `/management/v4/${source}/applications`, { name: "Orders", type: "regularwebapp" });
  const other = await signedIn(browser, `/console/instances/${target}/duplicate`);
  await at(other, "Duplicate from another instance");
  await other.getByLabel("Copy from").selectOption(source);
  await other.getByText("Applications, with new credentials").click();
  await other.getByRole("button", { name: "Preview" }).click();
  await other.getByRole("heading", { name: "What will change" }).waitFor();
  await look(other, "duplicate-applications");
  await other.getByRole("button", { name: "Apply" }).click();
  await other.getByRole("heading", { name: "What was done" }).waitFor();
  const { applications } = await api("GET", `/management/v4/${target}/applications`);
  assert.deepEqual(
    applications.map((one) => one.name),
    ["Orders"],
  );
  untroubled(other);
  await other.context().close();
});

test("no script failed", () => untroubled(page));
