import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { api, at, look, openBrowser, row, signedIn, untroubled } from "./harness.mjs";

let browser;
let page;
before(async () => {
  browser = await openBrowser();
  page = await signedIn(browser);
});
after(() => browser.close());

const ID = "20261124T210003000Z-000003-00000000deadbeef";
const MAIL = {
  id: ID,
  to: "ada@example.com",
  subject: "Export of directory users is done: Shop",
  date: "2026-11-24T21:00:03.000Z",
};
const LINK = "https://id.example.com/console/instances/5c5d7b0e-6a3f-4a55-9d0c-0f4a8f0f1e11/jobs/1";

/** What is in the outbox depends on what else the service did, so these tests say it themselves. */
async function answers(on, path, body, status = 200) {
  await on.route(
    (url) => url.pathname === path,
    (route) => route.fulfill({ status, json: body }),
  );
}

test("the outbox of the service itself opens from the header", async () => {
  await page.getByRole("link", { name: "Outbox", exact: true }).click();
  await at(page, "Outbox");
  const { delivery, messages } = await api("GET", "/v1/outbox");
  assert.equal(delivery, "outbox");
  if (messages.length > 0) await row(page, messages[0].subject).first().waitFor();
  else await page.getByText("No mail yet").waitFor();
});

test("an empty outbox says what it is for", async () => {
  await answers(page, "/v1/outbox", { delivery: "outbox", next_url: null, messages: [] });
  await page.getByRole("button", { name: "Look again" }).click();
  await page.getByText("No mail yet").waitFor();
  await look(page, "outbox-empty");
});

test("mails are listed, and one is read as text", async () => {
  await page.unrouteAll();
  const older = {
    ...MAIL,
    id: ID.replace("000003", "000001"),
    subject: "Import of profiles has failed: Shop",
  };
  await page.route(
    (url) => url.pathname === "/v1/outbox",
    (route) => {
      const second = new URL(route.request().url()).searchParams.has("start");
      return route.fulfill({
        json: {
          delivery: "outbox",
          next_url: second ? null : `/v1/outbox?limit=50&start=${ID}`,
          messages: second ? [older] : [MAIL],
        },
      });
    },
  );
  await answers(page, `/v1/outbox/${ID}`, {
    ...MAIL,
    text: `Export of directory users is done.\n\nWritten: 3\n\nSee the job in the console:\n${LINK}\n<b>no markup</b>\n`,
    html: "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title = 'taken over'\">",
  });
  await page.getByRole("button", { name: "Look again" }).click();
  await row(page, MAIL.subject).waitFor();
  await page.getByRole("button", { name: "Load more" }).click();
  await row(page, older.subject).waitFor();
  assert.equal(await page.getByRole("button", { name: "Load more" }).count(), 0);
  await look(page, "outbox");
  await page.getByRole("link", { name: MAIL.subject }).click();
  await at(page, MAIL.subject);
  const text = page.getByRole("region", { name: "Text of the mail" });
  await text.getByText("Written: 3").waitFor();
  await text.getByText("<b>no markup</b>").waitFor();
  const link = text.getByRole("link");
  assert.equal(await link.getAttribute("href"), LINK);
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  assert.equal(await page.title(), `${MAIL.subject} – Vestibule console`);
  await look(page, "outbox-mail");
  await page.getByRole("link", { name: "Outbox" }).last().click();
  await at(page, "Outbox");
});

test("with a mail server nothing is kept", async () => {
  await page.unrouteAll();
  await answers(page, "/v1/outbox", { delivery: "smtp", next_url: null, messages: [] });
  await page.getByRole("link", { name: "Vestibule", exact: true }).click();
  await at(page, "Instances");
  await page.getByRole("link", { name: "Outbox", exact: true }).click();
  await page.getByText("Mails are sent").waitFor();
  await look(page, "outbox-smtp");
});

test("who may not read it is told so", async () => {
  await page.unrouteAll();
  const body = { errors: [{ code: "forbidden", message: "This needs the platform role Administrator." }] };
  await answers(page, "/v1/outbox", body, 403);
  await page.getByRole("link", { name: "Vestibule", exact: true }).click();
  await at(page, "Instances");
  await page.getByRole("link", { name: "Outbox", exact: true }).click();
  await page.getByRole("alert").waitFor();
  await look(page, "outbox-forbidden");
});

test("a mail that made room for newer ones is not there any more", async () => {
  await page.unrouteAll();
  const other = await signedIn(browser, "/console/outbox/20200101T000000000Z-000001-0000000000000000");
  await other.getByRole("alert").waitFor();
  untroubled(other);
  await other.context().close();
});

test("no script failed", () => untroubled(page));
