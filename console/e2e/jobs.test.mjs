import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  api,
  at,
  friends,
  importProfiles,
  look,
  makeInstance,
  makeUser,
  openBrowser,
  row,
  said,
  sendSlowly,
  shot,
  signedIn,
  unique,
  untroubled,
} from "./harness.mjs";

let browser;
let folder;
let page;
let tenant;
let source;
let bundle;
const SECRET = "a long and secret phrase for bundles";
before(async () => {
  browser = await openBrowser();
  folder = await mkdtemp(join(tmpdir(), "vestibule-console-"));
  tenant = (await makeInstance(unique("Jobs"))).guid;
  source = (await makeInstance(unique("Bundle"))).guid;
  for (let i = 0; i < 5; i += 1) await makeUser(source, `person${i}@example.com`);
  await makeUser(source, "someone@elsewhere.example");
  await importProfiles(source, friends(4, "bundle"));
  page = await signedIn(browser, `/console/instances/${tenant}`);
});
after(async () => {
  await browser.close();
  await rm(folder, { recursive: true });
});

test("without a job, the page says what it is for", async () => {
  await page.getByRole("navigation", { name: "Instance" }).getByRole("link", { name: "Jobs" }).click();
  await at(page, "Jobs");
  await page.getByText("There has been no job yet").waitFor();
  await look(page, "jobs-empty");
});

test("jobs are listed newest first, filtered by state and paged", async () => {
  const [one] = friends(1);
  for (let i = 0; i < 24; i += 1) await importProfiles(tenant, [one], "?dry_run=true");
  await importProfiles(tenant, friends(20));
  const known = [
    ...friends(12),
    { id: "nobody", identities: [] },
    ...friends(3, "new"),
    ...friends(1, "new"),
  ];
  await importProfiles(tenant, known);
  await importProfiles(tenant, friends(2), "?on_conflict=skip");
  await assert.rejects(
    api("POST", `/management/v4/${tenant}/users/import/stream`, '[{"id": "1", "identi'),
    /answered 400/,
  );
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  await page.getByText("Failed", { exact: true }).nth(1).waitFor();
  await look(page, "jobs");
  assert.equal(await page.locator("tbody tr").count(), 25);
  await page.getByRole("button", { name: "Older" }).click();
  await page.getByText("Older jobs").waitFor();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 3);
  await page.getByRole("button", { name: "Newest" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 25);
  await page.getByLabel("State").selectOption("paused");
  await page.getByText("No job is in this state.").waitFor();
  await look(page, "jobs-no-match");
  await page.getByLabel("State").selectOption("failed");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
});

test("a job that ended early says why and where", async () => {
  await page.getByRole("link", { name: "Import of federated users" }).click();
  await at(page, "Import of federated users");
  await page.getByText("The job ended early").waitFor();
  await page.getByText("The file ends in the middle.").waitFor();
  await look(page, "job-failed");
});

test("the report says in words what became of each record, and is downloaded whole", async () => {
  const { jobs } = await api("GET", `/management/v4/${tenant}/jobs?state=succeeded`);
  const refused = jobs.find((job) => job.counts.failed > 0);
  await page.getByRole("link", { name: "Jobs" }).first().click();
  await page.locator(`a[href$="${refused.id}"]`).click();
  await at(page, "Import of federated users");
  const table = page.getByRole("table", { name: "Records that were not simply added" });
  await table.getByText("This user exists already.").first().waitFor();
  await table.getByText("The user has no identity at a provider.").waitFor();
  await look(page, "job-report");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download the report" }).click(),
  ]);
  const lines = (await readFile(await download.path(), "utf8")).trim().split("\n");
  assert.equal(lines.length, refused.counts.failed);
  await table.getByRole("link", { name: "See who is here" }).first().click();
  await at(page, "Friend 0");
  await page.goBack();
});

test("an ended job is removed from the list", async () => {
  const { jobs } = await api("GET", `/management/v4/${tenant}/jobs?count=1`);
  await page.getByRole("link", { name: "Jobs" }).first().click();
  await page.locator(`a[href$="${jobs[0].id}"]`).click();
  await page.getByRole("button", { name: "Remove from the list" }).click();
  await look(page, "job-remove");
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await said(page, "The job is removed from the list.");
  await page.locator(`a[href$="${jobs[0].id}"]`).waitFor({ state: "detached" });
});

test("a job that is not there says so", async () => {
  const other = await signedIn(
    browser,
    `/console/instances/${tenant}/jobs/00000000-0000-4000-8000-000000000000`,
  );
  await other.getByText("This could not be loaded").waitFor();
  await look(other, "job-missing");
  untroubled(other);
  await other.context().close();
});

test("the list follows a running job, and its page draws how fast it goes", async () => {
  const { guid } = await makeInstance(unique("Live"));
  const given = join(folder, "live.ndjson");
  await writeFile(
    given,
    friends(16_000, "live")
      .map((one) => `${JSON.stringify(one)}\n`)
      .join(""),
  );
  const other = await signedIn(browser, `/console/instances/${guid}/users/profiles/import`);
  await other.getByLabel("File").setInputFiles(given);
  await sendSlowly(other, 300_000);
  await other.getByRole("button", { name: "Start the import" }).click();
  await other.getByText(/[1-9],\d00 of 16,000/).waitFor({ timeout: 60_000 });
  await other.getByRole("link", { name: "Jobs", exact: true }).click();
  await row(other, "Running")
    .getByText(/^[1-9],\d00 added$/)
    .waitFor();
  await other.screenshot({ path: shot("jobs-running-1280-light") });
  await row(other, "Running").getByRole("link").click();
  await other.getByRole("img", { name: /records\/s/ }).waitFor({ timeout: 60_000 });
  await look(other, "job-running");
  await sendSlowly(other, -1);
  await other.getByText("Done", { exact: true }).waitFor({ timeout: 60_000 });
  await other.getByText("16,000", { exact: true }).first().waitFor();
  await look(other, "job-done");
  untroubled(other);
  await other.context().close();
});

test("where events do not come through, the page looks again and again", async () => {
  const other = await signedIn(browser, `/console/instances/${source}/jobs`);
  await other.route("**/events", (route) => route.fulfill({ status: 200, body: "held back" }));
  const job = await api("POST", `/management/v4/${source}/bundle/export`, { encryptionSecret: SECRET });
  await row(other, "Export of a bundle").waitFor({ timeout: 30_000 });
  await other.locator(`a[href$="${job.id}"]`).click();
  await at(other, "Export of a bundle");
  await other.getByText("Done", { exact: true }).waitFor({ timeout: 30_000 });
  untroubled(other);
  await other.context().close();
});

test("a bundle is exported: its job makes the file, which is downloaded", async () => {
  const other = await signedIn(browser, `/console/instances/${source}/jobs`);
  await other.getByRole("link", { name: "Export a bundle" }).click();
  await at(other, "Export a bundle");
  const start = other.getByRole("button", { name: /Start the export|Try again/ });
  assert.ok(await start.isDisabled());
  await other.getByText("How such an expression is written").click();
  await look(other, "bundle-export");
  await other.getByLabel("Encryption secret", { exact: true }).fill(SECRET);
  await other.getByLabel("Encryption secret, once more").fill(SECRET);
  await other.getByLabel("Only users for whom this is true").fill("email ==");
  await start.click();
  await other.getByText("That did not work").waitFor();
  await look(other, "bundle-export-refused");
  await other.getByLabel("Only users for whom this is true").fill('emailDomain == "example.com"');
  await start.click();
  await at(other, "Export of a bundle");
  await other.getByText("Done", { exact: true }).waitFor({ timeout: 60_000 });
  await other.getByRole("button", { name: "Copy Digest" }).waitFor();
  await look(other, "job-bundle-export");
  const [download] = await Promise.all([
    other.waitForEvent("download"),
    other.getByRole("button", { name: "Download the file" }).click(),
  ]);
  assert.match(download.suggestedFilename(), /\.vbundle$/);
  bundle = join(folder, "users.vbundle");
  await download.saveAs(bundle);
  untroubled(other);
  await other.context().close();
});

test("a bundle is checked, then imported with new IDs, and the map is downloaded", async () => {
  const { guid } = await makeInstance(unique("Home"));
  const other = await signedIn(browser, `/console/instances/${guid}/jobs/import-bundle`);
  await at(other, "Import a bundle");
  await look(other, "bundle-import");
  const fill = async (secret) => {
    await other.getByLabel("File").setInputFiles(bundle);
    await other.getByLabel("Encryption secret").fill(secret);
    await other.getByText("Give new ones").click();
  };
  await fill("not the secret");
  await other.getByRole("button", { name: "Check the file first" }).click();
  await other
    .getByRole("alert")
    .getByText(/secret/)
    .waitFor({ timeout: 60_000 });
  await look(other, "bundle-import-refused");

  await other.context().close();

  const again = await signedIn(browser, `/console/instances/${guid}/jobs/import-bundle`);
  const send = async (button) => {
    await again.getByLabel("File").setInputFiles(bundle);
    await again.getByLabel("Encryption secret").fill(SECRET);
    await again.getByText("Give new ones").click();
    await again.getByRole("button", { name: button }).click();
    await at(again, "Import of a bundle");
    await again.getByText("Done", { exact: true }).waitFor({ timeout: 60_000 });
  };
  await send("Check the file first");
  await again.getByText("Check only").waitFor();
  await look(again, "job-bundle-checked");
  assert.equal((await api("GET", `/management/v4/${guid}/cloud_directory/Users`)).totalResults, 0);
  await again.getByRole("link", { name: "Jobs" }).first().click();
  await again.getByRole("link", { name: "Import a bundle" }).click();
  await send("Start the import");
  await look(again, "job-bundle-import");
  assert.equal((await api("GET", `/management/v4/${guid}/cloud_directory/Users`)).totalResults, 5);
  const [download] = await Promise.all([
    again.waitForEvent("download"),
    again.getByRole("button", { name: "Download the ID map" }).click(),
  ]);
  const [first] = (await readFile(await download.path(), "utf8")).split("\n");
  const { from, to } = JSON.parse(first);
  assert.notEqual(from, to);
  untroubled(again);
  await again.context().close();
});

test("no script failed", () => untroubled(page));
