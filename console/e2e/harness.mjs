// What the browser tests share: a browser, a signed-in page, and the look at every page that is visited (axe and pictures).
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import axe from "@axe-core/playwright";
import { chromium } from "playwright-core";

const AxeBuilder = axe.default ?? axe;
const SHOTS = fileURLToPath(new URL("./shots/", import.meta.url));

export const URL_BASE = required("VESTIBULE_URL").replace(/\/$/, "");
export const API_KEY = required("VESTIBULE_API_KEY");

function required(name) {
  const value = process.env[name];
  if (!value) {
    console.error(
      `${name} is not set. Start a server and set VESTIBULE_URL and VESTIBULE_API_KEY, or run "npm run test:mock".`,
    );
    process.exit(1);
  }
  return value;
}

export function unique(word) {
  return `${word} ${randomBytes(4).toString("hex")}`;
}

export async function openBrowser() {
  mkdirSync(SHOTS, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page at `path` of the console, not signed in. Errors of its scripts and its security policy are collected. */
export async function openPage(browser, path = "/console/") {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: "en-GB",
    acceptDownloads: true,
    reducedMotion: "reduce",
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: URL_BASE });
  // Nobody is there to answer the dialog that asks where to save.
  await context.addInitScript(() => delete window.showSaveFilePicker);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.troubles = [];
  page.on("pageerror", (error) => page.troubles.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    // A refused request is reported by the browser too; the tests that provoke one look at what the page says.
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) page.troubles.push(text);
  });
  await page.goto(URL_BASE + path);
  return page;
}

export async function signIn(page, key = API_KEY) {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** A signed-in page at `path`. */
export async function signedIn(browser, path) {
  const page = await openPage(browser, path);
  await signIn(page);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  return page;
}

/** Where a picture goes. */
export function shot(name) {
  return join(SHOTS, `${name}.png`);
}

/** Waits for the page's heading. */
export async function at(page, heading) {
  await page.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor();
  await settled(page);
}

async function settled(page) {
  await page.waitForFunction(() => !document.querySelector(".v-loading"));
}

/** Takes pictures of the page as it stands, wide and narrow, light and dark, and fails on a serious finding of axe. */
export async function look(page, name) {
  await settled(page);
  for (const [width, height, colorScheme] of [
    [1280, 900, "light"],
    [375, 780, "light"],
    [1280, 900, "dark"],
  ]) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.waitForTimeout(250);
    await page.screenshot({ path: shot(`${name}-${width}-${colorScheme}`), fullPage: true });
    if (width < 400) await page.setViewportSize({ width: 360, height });
    // What measures itself lays itself out once more after the window has changed.
    await page
      .waitForFunction(
        () => document.documentElement.scrollWidth <= document.documentElement.clientWidth,
        undefined,
        { timeout: 3000 },
      )
      .catch(() => {});
    const wide = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.ok(wide <= 0, `${name} is ${wide} px too wide at ${width < 400 ? 360 : width} px`);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const bad = violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
    assert.deepEqual(bad, [], `axe on ${name} at ${width} px, ${colorScheme}`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** Fails when a script threw or the security policy stopped something. */
export function untroubled(page) {
  assert.deepEqual(page.troubles, []);
}

let token;
/** Calls the service directly, to set a scene or to see what is really there. */
export async function api(method, path, body, headers = {}) {
  if (!token) {
    const form = new URLSearchParams({
      grant_type: "urn:ibm:params:oauth:grant-type:apikey",
      apikey: API_KEY,
    });
    const answer = await fetch(`${URL_BASE}/identity/token`, { method: "POST", body: form });
    assert.equal(answer.status, 200, "the API key of the environment must work");
    token = (await answer.json()).access_token;
  }
  const answer = await fetch(URL_BASE + path, {
    method,
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body && { "Content-Type": "application/json" }),
      ...headers,
    },
    body: typeof body === "string" ? body : body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path} answered ${answer.status}: ${text}`);
  return text ? JSON.parse(text) : undefined;
}

export async function makeInstance(name, region = "eu-test") {
  return api("POST", "/v2/resource_instances", {
    name,
    target: region,
    resource_group: "default",
    resource_plan_id: "standard",
  });
}

export async function makeUser(tenant, email, more = {}) {
  return api("POST", `/management/v4/${tenant}/cloud_directory/Users`, {
    emails: [{ value: email, primary: true }],
    password: "Correct-horse-7-battery",
    active: true,
    status: "CONFIRMED",
    ...more,
  });
}

/** Lets the page send no more than so many bytes a second, so that there is time to look at an upload. */
export async function sendSlowly(page, uploadThroughput) {
  const browser = await page.context().newCDPSession(page);
  await browser.send("Network.enable");
  await browser.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput,
  });
}

/** Sends users of other providers straight to the service, and answers the job. */
export async function importProfiles(tenant, users, query = "") {
  return api("POST", `/management/v4/${tenant}/users/import/stream${query}`, users);
}

/** Users as an export shows those of other providers. */
export function friends(many, word = "fb") {
  return Array.from({ length: many }, (_, i) => ({
    id: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`,
    name: `Friend ${i}`,
    email: `${word}-${i}@example.com`,
    identities: [
      {
        provider: "facebook",
        id: `${word}-${i}`,
        idpUserInfo: { name: `Friend ${i}`, age_range: { min: 21 } },
      },
    ],
    attributes: { points: i },
    roles: [],
  }));
}

/** The row of a table that holds `text`. */
export function row(page, text) {
  return page.getByRole("row").filter({ hasText: text });
}

export async function said(page, text) {
  await page.locator(".v-notices").getByText(text).waitFor();
}

/**
 * Presses Enter on a button that saves, and once more while its call is under way: one call is made, and the focus stays, whether it
 * went well or was refused. `path` is what the call's address ends with.
 */
export async function savesInPlace(page, button, path, told) {
  let calls = 0;
  let go;
  const asked = new Promise((done) => (go = done));
  const held = async (route) => {
    if (route.request().method() !== "GET") {
      calls += 1;
      go();
      await new Promise((done) => setTimeout(done, 300));
    }
    await route.continue();
  };
  const saved = (url) => url.pathname.endsWith(path);
  await page.route(saved, held);
  await button.focus();
  await page.keyboard.press("Enter");
  await asked;
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  const meanwhile = await focused();
  await page.keyboard.press("Enter");
  await page.locator(".v-notices").getByText(told).waitFor();
  await button.waitFor();
  assert.match(meanwhile, /…$/, "the focus stays while the work is under way");
  assert.ok(
    await button.evaluate((element) => element === document.activeElement),
    `the focus must stay on the button, but is on ${await focused()}`,
  );
  assert.equal(calls, 1, "Enter while the work is under way must send nothing");
  await page.unroute(saved, held);
}

/** Text that is only heard, or is out of the way until it is wanted. */
const UNSEEN =
  ".v-only-heard, .cds--visually-hidden, .cds--skip-to-content, .cds--search .cds--label, .cds--toggle__label, .cds--popover, .v-nav";

/** Fails when something is wider than the window at 390 and 320 pixels or text is cut, also within a dialog. */
export async function fits(page, name) {
  await settled(page);
  for (const width of [1280, 390, 320]) {
    await page.setViewportSize({ width, height: 780 });
    await page.waitForTimeout(100);
    await page.screenshot({ path: shot(`${name}-long-${width}`), fullPage: true });
    const cut = await page.evaluate((unseen) => {
      const { clientWidth, scrollWidth } = document.documentElement;
      const found = scrollWidth > clientWidth ? [`the page is ${scrollWidth} px wide`] : [];
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode;
        const parent = text.parentElement;
        if (!parent?.checkVisibility() || parent.closest(unseen)) continue;
        const range = document.createRange();
        range.selectNodeContents(text);
        const right = Math.max(0, ...[...range.getClientRects()].map((one) => one.right));
        let limit = clientWidth;
        for (let box = parent; box; box = box.parentElement) {
          if (getComputedStyle(box).overflowX !== "visible" || box.matches("button, label, .v-page"))
            limit = Math.min(limit, box.getBoundingClientRect().right);
        }
        if (right > limit + 1) found.push(`${parent.outerHTML.slice(0, 120)} ends at ${right}, not ${limit}`);
      }
      return found;
    }, UNSEEN);
    assert.deepEqual(cut, [], `${name} at ${width} px`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}
