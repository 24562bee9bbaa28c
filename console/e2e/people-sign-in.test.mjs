// The page on which an application's users sign in: not part of the console, but looked at with the same eyes.
import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { api, look, makeInstance, makeUser, openBrowser, unique, untroubled, URL_BASE } from "./harness.mjs";

const CALLBACK = "http://127.0.0.1:9/callback";
const LONG_NAME = "Ministry of Administrative Affairs & Housekeeping";
const skip = process.env.VESTIBULE_STAND_IN ? "the stand-in has no such page" : false;
let browser;
let tenant;
before(async () => {
  if (skip) return;
  browser = await openBrowser();
  tenant = (await makeInstance(unique("People sign in"))).guid;
  await api("PUT", `/management/v4/${tenant}/config/redirect_uris`, { redirectUris: [CALLBACK] });
  await makeUser(tenant, "ada@example.com");
});
after(() => browser?.close());

async function address(name, more = {}) {
  const { clientId } = await api("POST", `/management/v4/${tenant}/applications`, { name });
  const asked = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: CALLBACK,
    scope: "openid",
    ...more,
  };
  return `${URL_BASE}/oauth/v4/${tenant}/authorization?${new URLSearchParams(asked)}`;
}

async function open(url, options = {}) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  page.troubles = [];
  page.on("pageerror", (error) => page.troubles.push(String(error)));
  await page.goto(url);
  return page;
}

test(
  "the page is fit to be seen, with a long name, in other languages, and from right to left",
  { skip },
  async () => {
    for (const [shot, name, more, words] of [
      ["people-sign-in", "Shop", {}, "to continue to Shop"],
      ["people-sign-in-long", LONG_NAME, {}, `to continue to ${LONG_NAME}`],
      ["people-sign-in-de", LONG_NAME, { language: "de" }, `um mit ${LONG_NAME} fortzufahren`],
      ["people-sign-in-ar", "Shop", { language: "ar" }, "للمتابعة إلى Shop"],
    ]) {
      const page = await open(await address(name, more));
      await page.getByText(words, { exact: true }).waitFor();
      await look(page, shot);
      untroubled(page);
      await page.context().close();
    }
  },
);

test(
  "mistakes are said on the page, and a request that is wrong gets a page of its own",
  { skip },
  async () => {
    const page = await open(await address("Shop"));
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("Enter your details and your password.").waitFor();
    await page.getByLabel("E-mail address").fill("ada@example.com");
    await page.getByLabel("Password").fill("not her password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("are not right").waitFor();
    assert.equal(await page.getByLabel("E-mail address").inputValue(), "ada@example.com");
    assert.equal(await page.getByLabel("Password").inputValue(), "");
    await look(page, "people-sign-in-refused");
    const wrong = new URL(page.url());
    await page.goto(`${wrong.origin}/oauth/v4/${tenant}/authorization?client_id=nobody`);
    await page.getByRole("heading", { name: "This did not work" }).waitFor();
    await look(page, "people-sign-in-wrong-request");
    untroubled(page);
    await page.context().close();
  },
);

test("the keyboard alone is enough, with scripts and without", { skip }, async () => {
  for (const javaScriptEnabled of [true, false]) {
    const page = await open(await address("Shop"), { javaScriptEnabled });
    // The field for the name has the focus by itself; a browser gives it once the page is laid out.
    await page.locator("#username:focus").waitFor();
    await page.keyboard.type("ada@example.com");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Correct-horse-7-battery");
    const landed = page.waitForRequest((request) => request.url().startsWith(CALLBACK));
    await page.keyboard.press("Enter");
    assert.ok(new URL((await landed).url()).searchParams.get("code"));
    await page.context().close();
  }
});

test("who is signed in is not asked again, until they sign out", { skip }, async () => {
  await api("PUT", `/management/v4/${tenant}/config/cloud_directory/sso`, {
    isActive: true,
    inactivityTimeoutSeconds: 600,
    logoutRedirectUris: [],
  });
  const shop = createServer((_, answer) =>
    answer.setHeader("content-type", "text/html").end("<!doctype html><title>Shop</title>Welcome"),
  ).listen(0, "127.0.0.1");
  await new Promise((ready) => shop.on("listening", ready));
  const landing = `http://127.0.0.1:${shop.address().port}/`;
  await api("PUT", `/management/v4/${tenant}/config/redirect_uris`, { redirectUris: [CALLBACK, landing] });
  const first = await address("Shop", { redirect_uri: landing });
  const page = await open(first);
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByLabel("Password").fill("Correct-horse-7-battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Welcome").waitFor();
  await page.goto(await address("Bakery", { redirect_uri: landing }));
  await page.getByText("Welcome").waitFor();
  await page.goto(`${URL_BASE}/oauth/v4/${tenant}/logout`);
  await page.getByRole("heading", { name: "Sign out" }).waitFor();
  await look(page, "people-sign-out");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out.").waitFor();
  await look(page, "people-signed-out");
  await page.goto(first);
  await page.getByLabel("Password").waitFor();
  untroubled(page);
  await page.context().close();
  shop.close();
  shop.closeAllConnections();
});
