// The newcomer's guides, followed as written to a person who is signed in.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Reader, read } from './guide.mjs';
import { browser, call, makeApplication, passwordGrant } from './support.mjs';

const GUIDES = { 'web-app': 'hello-web', api: 'hello-api', 'single-page-app': 'hello-page', 'service-to-service': 'hello-services', 'mobile-app': 'hello-phone' };
const EMAIL = 'ada@example.org';
const PASSWORD = 'correct horse battery ada';
let chromium;

const named = async (name) => (await call('GET', `/v2/resource_instances?name=${name}`)).resources.map(({ guid }) => guid);
const remove = async () => {
  for (const name of Object.values(GUIDES)) for (const guid of await named(name)) await call('DELETE', `/v2/resource_instances/${guid}`, { expect: 204 });
};
before(async () => {
  for (const name of Object.values(GUIDES)) assert.deepEqual(await named(name), [], `an instance is named ${name} already: the guide needs the name`);
  chromium = await browser();
});
after(async () => {
  await chromium?.close();
  await remove();
});

/** Follows a guide, and then does what it says to do with a browser. */
async function follow(name, { then, ...how } = {}) {
  const reader = await Reader.of(name);
  try {
    await reader.follow(how);
    await then?.(reader);
  } catch (error) {
    error.message += `\n--- the terminal of ${name}\n${reader.said}`;
    throw error;
  } finally {
    reader.close();
  }
}

async function signIn(page) {
  await page.fill('input[name=username]', EMAIL);
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button[type=submit]');
}

test('every guide is tested, and names whom it signs in', () => {
  assert.deepEqual(readdirSync(new URL('../../docs/guides/', import.meta.url)).sort(), Object.keys(GUIDES).map((name) => `${name}.md`).sort());
  for (const [name, instance] of Object.entries(GUIDES)) {
    assert.match(read(name), new RegExp(`^vestibule instance create ${instance}( --json > instance.json)?$`, 'm'), name);
    if (name === 'api' || name === 'service-to-service') continue;
    assert.ok(read(name).replaceAll('\n', ' ').includes(`sign in as \`${EMAIL}\` with the password \`${PASSWORD}\``), name);
  }
});

test('a web application', () => follow('web-app', { serving: ['node server.mjs'], then: async ({ site }) => {
  const page = await (await chromium.newContext()).newPage();
  await page.goto(site);
  await page.getByText('Sign in').click();
  await signIn(page);
  await page.getByText('Hello, Ada Lovelace.').waitFor();
  assert.equal(page.url(), `${site}/`);
  await page.getByText('Sign out').click();
  await page.getByText('Sign in').waitFor();
  // An answer that nobody asked for is not taken.
  const state = await page.goto(`${site}/callback?code=x&state=y`);
  assert.notEqual(new URL(state.url()).origin, site, 'it asks the service instead');
  await page.context().close();
} }));

test('an API, in Node and in Python', async () => {
  let served = 0;
  await follow('api', { served: async (reader) => {
    served += 1;
    const app = JSON.parse(readFileSync(join(await reader.folder(), 'app.json'), 'utf8'));
    const { body } = await passwordGrant(app.tenantId, app, EMAIL, PASSWORD);
    const other = await makeApplication(app.tenantId, 'other');
    const stranger = (await passwordGrant(app.tenantId, other, EMAIL, PASSWORD)).body;
    const [head, payload, signature] = body.access_token.split('.');
    const ask = async (token) => (await fetch(reader.api, { headers: token ? { authorization: `Bearer ${token}` } : {} })).status;
    assert.equal(await ask(body.access_token), 200);
    const forged = `${head}.${Buffer.from(Buffer.from(payload, 'base64url').toString().replace('"iss"', ' "iss"')).toString('base64url')}.${signature}`;
    const refused = { 'no token': '', 'an identity token': body.id_token, 'a token for another application': stranger.access_token, 'a forged token': forged };
    for (const [what, token] of Object.entries(refused)) assert.equal(await ask(token), 401, what);
  } });
  assert.equal(served, 2);
});

test('a single-page application', () => follow('single-page-app', { serving: ['python3 -m http.server PORT --bind 127.0.0.1'], then: async ({ site }) => {
  const page = await (await chromium.newContext()).newPage();
  await page.goto(site);
  const opened = page.waitForEvent('popup');
  await page.click('#sign-in:enabled');
  await signIn(await opened);
  await page.getByText('Hello, Ada Lovelace.').waitFor();
  await page.context().close();
} }));

test('a service that calls another one', () => follow('service-to-service'));

test('a mobile application', () => follow('mobile-app', { blanks: { ADDRESS: async (reader) => {
  const [, address] = await reader.sees(/^Open (\S+)$/m);
  const page = await (await chromium.newContext()).newPage();
  await page.goto(address);
  const sent = page.waitForResponse((response) => response.headers().location?.startsWith('com.example.hello:'));
  await signIn(page);
  const { location } = (await sent).headers();
  await page.context().close();
  return location;
} } }));
