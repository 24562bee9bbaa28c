import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  api,
  at,
  look,
  makeInstance,
  makeUser,
  openBrowser,
  signedIn,
  unique,
  untroubled,
} from "./harness.mjs";

let browser;
let folder;
let source;
let target;
let file;
const USERS = 60;
const SECRET = "a long and secret phrase, 42% – über ☂";
before(async () => {
  browser = await openBrowser();
  folder = await mkdtemp(join(tmpdir(), "vestibule-console-"));
  source = (await makeInstance(unique("From"))).guid;
  target = (await makeInstance(unique("To"))).guid;
  for (let i = 0; i < USERS; i += 1) {
    await makeUser(source, `person${i}@example.com`, { displayName: `Person ${i}` });
  }
});
after(async () => {
  await browser.close();
  await rm(folder, { recursive: true });
});

async function total(tenant) {
  return (await api("GET", `/management/v4/${tenant}/cloud_directory/Users?startIndex=0&count=1`))
    .totalResults;
}

test("directory users are exported to one file, and the secret stands in no address", async () => {
  const page = await signedIn(browser, `/console/instances/${source}/users/directory/export`);
  const addresses = [];
  page.on("request", (request) => addresses.push(request.url()));
  await at(page, "Export directory users");
  await page.getByLabel("Encryption secret", { exact: true }).fill(SECRET);
  await page.getByLabel("Encryption secret, once more").fill("something else");
  await page.getByText("The two are different.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Start the export" }).isDisabled());
  await look(page, "export");
  await page.getByLabel("Encryption secret, once more").fill(SECRET);
  await page.getByRole("button", { name: "Start the export" }).click();
  await page.getByText(`${USERS} directory users are ready to be saved.`).waitFor({ timeout: 60_000 });
  await look(page, "export-done");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download the file" }).click(),
  ]);
  file = join(folder, "users.json");
  await download.saveAs(file);
  assert.match(download.suggestedFilename(), /directory-users.*\.json$/);
  const written = JSON.parse(await readFile(file, "utf8"));
  assert.equal(written.users.length, USERS);
  assert.equal(new Set(written.users.map((one) => one.scimUser.emails[0].value)).size, USERS);
  assert.ok(!addresses.some((url) => url.includes("secret")), "the secret must not be in a URL");
  untroubled(page);
  await page.context().close();
});

test("the import says what a wrong secret and a wrong file are", async () => {
  const page = await signedIn(browser, `/console/instances/${target}/users/directory/import`);
  await at(page, "Import directory users");
  await look(page, "import");
  const broken = join(folder, "broken.json");
  await writeFile(broken, (await readFile(file, "utf8")).slice(0, 2000));
  await page.getByLabel("File").setInputFiles(broken);
  await page.getByText("broken.json is not a whole JSON file.").waitFor();
  const profiles = join(folder, "profiles.json");
  await writeFile(profiles, JSON.stringify({ users: [{ id: "1", identities: [], attributes: {} }] }));
  await page.getByLabel("File").setInputFiles(profiles);
  await page.getByText("profiles.json holds profiles, not directory users.").waitFor();
  await look(page, "import-wrong-file");

  await page.getByLabel("File").setInputFiles(file);
  await page.getByText(`${USERS} directory users in users.json.`).waitFor();
  await page.getByLabel("Encryption secret").fill("not the secret");
  await page.getByRole("button", { name: "Start the import" }).click();
  // Refused as a whole or user by user: nobody may have been added, and the page has to say so.
  await page.getByText(/Nobody was imported|Nothing was imported|Finished/).waitFor({ timeout: 60_000 });
  await look(page, "import-wrong-secret");
  assert.equal(await total(target), 0);
  untroubled(page);
  await page.context().close();
});

test("an export comes back whole, a second import adds nobody and reports each user", async () => {
  const page = await signedIn(browser, `/console/instances/${target}/users/directory/import`);
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText(`All ${USERS} users of users.json were sent.`).waitFor({ timeout: 60_000 });
  await page.getByText("No user that was sent was refused.").waitFor();
  await look(page, "import-done");
  assert.equal(await total(target), USERS);

  await page.getByRole("button", { name: "Import another file" }).click();
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText(`All ${USERS} users of users.json were sent.`).waitFor({ timeout: 60_000 });
  await page
    .getByRole("table", { name: "Users that were not added" })
    .getByText("person0@example.com")
    .waitFor();
  await look(page, "import-report");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download the report" }).click(),
  ]);
  const report = JSON.parse(await readFile(await download.path(), "utf8"));
  assert.deepEqual([report.added, report.failed, report.failReasons.length], [0, USERS, USERS]);
  assert.equal(await total(target), USERS);
  untroubled(page);
  await page.context().close();
});

test("cancelling stops after the running chunk, says what was done, and can go on", async () => {
  const { guid } = await makeInstance(unique("Half"));
  const page = await signedIn(browser, `/console/instances/${guid}/users/directory/import`);
  let release;
  const held = new Promise((done) => (release = done));
  await page.route("**/cloud_directory/import", async (route) => {
    await held;
    await route.continue();
  });
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByRole("progressbar").waitFor();
  await look(page, "import-running");
  await page.getByRole("button", { name: "Cancel" }).click();
  release();
  await page
    .getByText(`The first 50 of ${USERS} users were sent; the rest was not.`)
    .waitFor({ timeout: 60_000 });
  await look(page, "import-cancelled");
  assert.equal(await total(guid), 50);
  await page.getByRole("button", { name: "Go on with user 51" }).click();
  await page.getByText(`All ${USERS} users of users.json were sent.`).waitFor({ timeout: 60_000 });
  assert.equal(await total(guid), USERS);
  untroubled(page);
  await page.context().close();
});

test("users who exist can be skipped, and users without a readable password added", async () => {
  const { guid } = await makeInstance(unique("Choice"));
  const page = await signedIn(browser, `/console/instances/${guid}/users/directory/import`);
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill("not the secret");
  await page.getByText("Add users whose password cannot be read").click();
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText(`All ${USERS} users of users.json were sent.`).waitFor({ timeout: 60_000 });
  await page.getByText("Of these without a password").waitFor();
  await look(page, "import-without-password");
  assert.equal(await total(guid), USERS);
  await page.getByRole("button", { name: "Import another file" }).click();
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByLabel("Users who exist already").selectOption("skip");
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText("Known already").waitFor({ timeout: 60_000 });
  await page.getByText("No user that was sent was refused.").waitFor();
  assert.equal(await total(guid), USERS);
  untroubled(page);
  await page.context().close();
});

test("profiles travel the same way", async () => {
  const identities = (i) => [
    { provider: "facebook", id: `fb-${i}`, idpUserInfo: { name: `Friend ${i}`, age_range: { min: 21 } } },
  ];
  const users = Array.from({ length: 55 }, (_, i) => ({
    id: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`,
    name: `Friend ${i}`,
    identities: identities(i),
    attributes: { points: i },
    roles: [],
  }));
  const given = join(folder, "friends.json");
  await writeFile(given, JSON.stringify({ itemsPerPage: 55, totalResults: 55, requestOptions: {}, users }));
  const page = await signedIn(browser, `/console/instances/${source}/users/profiles/import`);
  await at(page, "Import profiles");
  await page.getByLabel("File").setInputFiles(given);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText("All 55 users of friends.json were sent.").waitFor({ timeout: 60_000 });
  await page.getByText("No user that was sent was refused.").waitFor();
  await page.getByRole("link", { name: "See the users" }).click();
  await page.getByRole("link", { name: "Export" }).click();
  await at(page, "Export profiles");
  await look(page, "export-profiles");
  await page.getByRole("button", { name: "Start the export" }).click();
  await page.getByText("55 profiles are ready to be saved.").waitFor({ timeout: 60_000 });
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download the file" }).click(),
  ]);
  const written = JSON.parse(await readFile(await download.path(), "utf8"));
  const byId = new Map(written.users.map((one) => [one.identities[0].id, one]));
  for (let i = 0; i < 55; i += 1) {
    assert.deepEqual(byId.get(`fb-${i}`).identities, identities(i));
    assert.deepEqual(byId.get(`fb-${i}`).attributes, { points: i });
  }
  untroubled(page);
  await page.context().close();
});
