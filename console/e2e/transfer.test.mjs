import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  api,
  at,
  friends,
  look,
  makeInstance,
  makeUser,
  openBrowser,
  sendSlowly,
  shot,
  signedIn,
  signIn,
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
  const given = [SECRET, encodeURIComponent(SECRET), "encryption_secret"];
  assert.ok(
    !addresses.some((url) => given.some((one) => url.includes(one))),
    "the secret must not be in a URL",
  );
  untroubled(page);
  await page.context().close();
});

test("a secret of several lines is refused at its field instead of losing its breaks", async () => {
  const told = "An encryption secret is one line of text.";
  const page = await signedIn(browser, `/console/instances/${source}/users/directory/export`);
  const paste = async (field, text) => {
    await page.evaluate((given) => navigator.clipboard.writeText(given), text);
    await field.focus();
    await page.keyboard.press("ControlOrMeta+V");
  };
  for (const [path, heading, action] of [
    ["users/directory/export", "Export directory users", "Start the export"],
    ["users/directory/import", "Import directory users", "Start the import"],
    ["jobs/export-bundle", "Export a bundle", "Start the export"],
    ["jobs/import-bundle", "Import a bundle", "Start the import"],
  ]) {
    await page.goto(new URL(`/console/instances/${source}/${path}`, page.url()).href);
    await signIn(page);
    await at(page, heading);
    const field = page.getByLabel("Encryption secret", { exact: true });
    await field.fill("an older one");
    await paste(field, "first line\nsecond line");
    await page.getByText(told).waitFor();
    assert.equal(await field.inputValue(), "");
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    assert.ok(await page.getByRole("button", { name: action }).isDisabled());
    await look(page, `secret-lines-${path.split("/").at(-1)}`);
    await paste(field, SECRET);
    await page.getByText(told).waitFor({ state: "detached" });
    assert.equal(await field.inputValue(), SECRET);
    await field.fill("");
    await paste(field, `${SECRET}\r\n`);
    await page.getByText(told).waitFor();
  }
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
  await page.getByText("No record that was sent was refused.").waitFor();
  await look(page, "import-done");
  assert.equal(await total(target), USERS);

  await page.getByRole("button", { name: "Import another file" }).click();
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText(`All ${USERS} users of users.json were sent.`).waitFor({ timeout: 60_000 });
  await page
    .getByRole("table", { name: "Records that were not simply added" })
    .getByText("person0@example.com")
    .waitFor();
  await look(page, "import-report");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download the report" }).click(),
  ]);
  const report = (await readFile(await download.path(), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    report.map((line) => line.index),
    Array.from({ length: USERS }, (_, i) => i),
  );
  assert.equal(await total(target), USERS);
  untroubled(page);
  await page.context().close();
});

test("a file is checked first, and nothing is changed by it", async () => {
  const { guid } = await makeInstance(unique("Check"));
  const page = await signedIn(browser, `/console/instances/${guid}/users/directory/import`);
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByRole("button", { name: "Check the file first" }).click();
  await page.getByText(`All ${USERS} users of users.json were checked.`).waitFor({ timeout: 60_000 });
  await page.getByText("Would be added").waitFor();
  await look(page, "import-checked");
  assert.equal(await total(guid), 0);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText(`All ${USERS} users of users.json were sent.`).waitFor({ timeout: 60_000 });
  assert.equal(await total(guid), USERS);
  untroubled(page);
  await page.context().close();
});

test("a broken connection is told, and sending the file again goes on with the same job", async () => {
  const { guid } = await makeInstance(unique("Broken"));
  const page = await signedIn(browser, `/console/instances/${guid}/users/directory/import`);
  const jobs = [];
  let broken = true;
  await page.route("**/cloud_directory/import/stream?*", async (route) => {
    jobs.push(new URL(route.request().url()).searchParams.get("job"));
    if (broken) await route.abort("connectionreset");
    else await route.continue();
  });
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText("The import broke off").waitFor({ timeout: 60_000 });
  await look(page, "import-broken");
  broken = false;
  await page.getByRole("button", { name: "Send the file again" }).click();
  await page.getByText(`All ${USERS} users of users.json were sent.`).waitFor({ timeout: 60_000 });
  assert.equal(await total(guid), USERS);
  assert.equal(jobs.length, 2);
  assert.equal(jobs[0], jobs[1]);
  untroubled(page);
  await page.context().close();
});

test("a large import is followed, paused and gone on with, also from the page of its job", async () => {
  const { guid } = await makeInstance(unique("Large"));
  const many = 12_000;
  const given = join(folder, "many.ndjson");
  await writeFile(
    given,
    friends(many, "many")
      .map((one) => `${JSON.stringify(one)}\n`)
      .join(""),
  );
  const page = await signedIn(browser, `/console/instances/${guid}/users/profiles/import`);
  await page.getByLabel("File").setInputFiles(given);
  await page.getByText(`12,000 profiles in many.ndjson.`).waitFor();
  await sendSlowly(page, 250_000);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByRole("progressbar").waitFor();
  await page.getByText(/[1-9],\d00 of 12,000/).waitFor({ timeout: 60_000 });
  await page.screenshot({ path: shot("import-running-1280-light") });
  await page.getByRole("link", { name: "See the job" }).click();
  await at(page, "Import of federated users");
  await page.getByText("This window is sending the file.").waitFor();
  await page.getByRole("img", { name: /records\/s/ }).waitFor({ timeout: 60_000 });
  await page.screenshot({ path: shot("job-running-1280-light"), fullPage: true });
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText(/^Somebody paused it after record/).waitFor({ timeout: 60_000 });
  await page.getByRole("link", { name: "Send the file again" }).waitFor();
  await look(page, "job-paused");
  const before = (await api("GET", `/management/v4/${guid}/jobs`)).jobs[0];
  assert.equal(before.state, "paused");
  assert.ok(before.counts.done > 0 && before.counts.done < many);

  // This window still has the file; another one asks for it.
  await page.getByRole("link", { name: "Send the file again" }).click();
  await at(page, "Import profiles");
  await page.getByText(/are dealt with, and the job is paused there/).waitFor();
  await page.getByText("12,000 profiles in many.ndjson.").waitFor();
  await look(page, "import-paused");
  untroubled(page);
  await page.context().close();

  const other = await signedIn(browser, `/console/instances/${guid}/users/profiles/import?job=${before.id}`);
  await other.getByText(/are dealt with, and the job is paused there/).waitFor();
  await look(other, "import-again");
  await other.getByLabel("File").setInputFiles(given);
  await other.getByRole("button", { name: "Send the file again" }).click();
  await other.getByText("All 12,000 users of many.ndjson were sent.").waitFor({ timeout: 60_000 });
  const { jobs } = await api("GET", `/management/v4/${guid}/jobs`);
  assert.equal(jobs.length, 1);
  assert.deepEqual([jobs[0].id, jobs[0].counts.added], [before.id, many]);
  untroubled(other);
  await other.context().close();
});

test("an import is cancelled while it runs, and says what stays", async () => {
  const { guid } = await makeInstance(unique("Half"));
  const given = join(folder, "half.ndjson");
  await writeFile(
    given,
    friends(12_000, "half")
      .map((one) => `${JSON.stringify(one)}\n`)
      .join(""),
  );
  const page = await signedIn(browser, `/console/instances/${guid}/users/profiles/import`);
  await page.getByLabel("File").setInputFiles(given);
  await sendSlowly(page, 250_000);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText(/[1-9],\d00 of 12,000/).waitFor({ timeout: 60_000 });
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.screenshot({ path: shot("import-cancel-1280-light") });
  await page.getByRole("button", { name: "Stop it" }).click();
  await page.getByText(/The import was stopped after/).waitFor({ timeout: 60_000 });
  await look(page, "import-cancelled");
  assert.equal((await api("GET", `/management/v4/${guid}/jobs`)).jobs[0].state, "cancelled");
  untroubled(page);
  await page.context().close();
});

test("where the browser allows it, an export goes to disk as it comes", async () => {
  const page = await signedIn(browser, `/console/instances/${source}/users/directory`);
  await page.evaluate(() => {
    window.showSaveFilePicker = async ({ suggestedName }) => {
      const folder = await navigator.storage.getDirectory();
      return folder.getFileHandle(suggestedName, { create: true });
    };
  });
  await page.getByRole("link", { name: "Export" }).click();
  await page.getByLabel("Encryption secret", { exact: true }).fill(SECRET);
  await page.getByLabel("Encryption secret, once more").fill(SECRET);
  await page.getByRole("button", { name: "Start the export" }).click();
  await page.getByText(`${USERS} directory users are saved.`).waitFor({ timeout: 60_000 });
  const written = await page.evaluate(async () => {
    const folder = await navigator.storage.getDirectory();
    const texts = [];
    for await (const handle of folder.values()) texts.push(await (await handle.getFile()).text());
    return texts.map((text) => JSON.parse(text).users.length);
  });
  assert.deepEqual(written, [USERS]);
  untroubled(page);
  await page.context().close();
});

test("the service makes the file as a job, which is downloaded from its page", async () => {
  const page = await signedIn(browser, `/console/instances/${source}/users/directory/export`);
  await page.getByText("At the service, as a job").click();
  await page.getByLabel("Encryption secret", { exact: true }).fill(SECRET);
  await page.getByLabel("Encryption secret, once more").fill(SECRET);
  await page.getByLabel("E-mail address").fill("operator@example.com");
  await page.getByLabel("Days to keep the file").fill("31");
  await page.getByText("Give a whole number from 1 to 30.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Start the export" }).isDisabled());
  await look(page, "export-job");
  await page.getByLabel("Days to keep the file").fill("3");
  await page.getByRole("button", { name: "Start the export" }).click();
  await at(page, "Export of directory users");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download the file" }).click({ timeout: 60_000 }),
  ]);
  await look(page, "job-export-done");
  assert.match(download.suggestedFilename(), /directory-users.*\.json$/);
  assert.equal(JSON.parse(await readFile(await download.path(), "utf8")).length, USERS);
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
  // Whatever is added without a password, a wrong secret adds nobody.
  await page.getByText(/Nobody was imported|Nothing was imported/).waitFor({ timeout: 60_000 });
  assert.equal(await total(guid), 0);
  const bare = join(folder, "bare.json");
  const whole = JSON.parse(await readFile(file, "utf8"));
  for (const user of whole.users ?? whole) delete user.passwordHash;
  await writeFile(bare, JSON.stringify(whole));
  await page.getByRole("button", { name: "Import another file" }).click();
  await page.getByLabel("File").setInputFiles(bare);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByText("Add users whose password cannot be read").click();
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText(`All ${USERS} users of bare.json were sent.`).waitFor({ timeout: 60_000 });
  await page.getByText("Of these without a password").waitFor();
  await look(page, "import-without-password");
  assert.equal(await total(guid), USERS);
  await page.getByRole("button", { name: "Import another file" }).click();
  await page.getByLabel("File").setInputFiles(file);
  await page.getByLabel("Encryption secret").fill(SECRET);
  await page.getByLabel("Users who exist already").selectOption("skip");
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText("Known already").waitFor({ timeout: 60_000 });
  await page.getByText("No record that was sent was refused.").waitFor();
  assert.equal(await total(guid), USERS);
  untroubled(page);
  await page.context().close();
});

test("profiles travel the same way", async () => {
  const users = friends(55);
  const given = join(folder, "friends.json");
  await writeFile(given, JSON.stringify({ itemsPerPage: 55, totalResults: 55, requestOptions: {}, users }));
  const page = await signedIn(browser, `/console/instances/${source}/users/profiles/import`);
  await at(page, "Import profiles");
  await page.getByLabel("File").setInputFiles(given);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText("All 55 users of friends.json were sent.").waitFor({ timeout: 60_000 });
  await page.getByText("No record that was sent was refused.").waitFor();
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
    assert.deepEqual(byId.get(`fb-${i}`).identities, users[i].identities);
    assert.deepEqual(byId.get(`fb-${i}`).attributes, { points: i });
  }
  untroubled(page);
  await page.context().close();
});
