// IBM's JavaScript SDK, unmodified, signs in from a page in Chromium through its pop-up.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { PASSWORD, allowRedirects, browser, call, makeApplication, makeInstance, makeUser, manage, url } from './support.mjs';

const require = createRequire(import.meta.url);
const sdk = readFileSync(require.resolve('ibmcloud-appid-js/dist/appid.umd.min.js'));
let site, server, chromium, app, guid;

before(async () => {
  guid = await makeInstance('js-sdk');
  app = await makeApplication(guid, 'spa', 'singlepageapp');
  await makeUser(guid, 'jo@example.org', { displayName: 'Jo' });
  server = createServer((request, answer) => {
    if (request.url === '/appid.js') return answer.setHeader('content-type', 'text/javascript').end(sdk);
    answer.setHeader('content-type', 'text/html').end('<!doctype html><title>spa</title><script src="/appid.js"></script><button id="go">go</button>');
  }).listen(0, '127.0.0.1');
  await new Promise((ready) => server.on('listening', ready));
  // localhost is a secure context, which the SDK's use of WebCrypto needs.
  site = `http://localhost:${server.address().port}`;
  await allowRedirects(guid, [site]);
  chromium = await browser();
});
after(async () => { await chromium?.close(); server?.close(); server?.closeAllConnections(); });

test('signs in through the pop-up', async () => {
  assert.equal(app.secret, undefined, 'a single-page app has no secret');
  const page = await chromium.newPage();
  await page.goto(site);
  await page.evaluate(([clientId, discoveryEndpoint]) => {
    window.result = new Promise((resolve) => {
      document.getElementById('go').onclick = async () => {
        try {
          const id = new AppID();
          await id.init({ clientId, discoveryEndpoint });
          const tokens = await id.signin();
          const info = await id.getUserInfo(tokens.accessToken);
          resolve({ claims: tokens.idTokenPayload, info });
        } catch (error) { resolve({ error: `${error.name}: ${error.message}` }); }
      };
    });
  }, [app.clientId, app.discoveryEndpoint]);
  const opened = page.waitForEvent('popup');
  await page.click('#go');
  const popup = await opened;
  await popup.waitForSelector('input[name=username]');
  assert.ok(popup.url().startsWith(url));
  await popup.fill('input[name=username]', 'jo@example.org');
  await popup.fill('input[name=password]', PASSWORD);
  await popup.click('button[type=submit]');
  const result = await page.evaluate(() => window.result);
  assert.equal(result.error, undefined);
  assert.equal(result.claims.email, 'jo@example.org');
  assert.equal(result.info.sub, result.claims.sub);
});

test('signs in silently where the browser is signed in, and not where it is not', async () => {
  // Over plain http a cookie reaches a frame only within one site: the page has the address of the service.
  const near = `http://127.0.0.1:${server.address().port}`;
  await allowRedirects(guid, [site, near]);
  await call('PUT', manage(guid, '/config/cloud_directory/sso'), { expect: 201, body: { isActive: true, inactivityTimeoutSeconds: 600, logoutRedirectUris: [] } });
  const context = await chromium.newContext();
  const page = await context.newPage();
  await page.goto(near);
  const silently = () => page.evaluate(async ([clientId, discoveryEndpoint]) => {
    const id = new AppID();
    await id.init({ clientId, discoveryEndpoint });
    try { return { email: (await id.silentSignin()).idTokenPayload.email }; } catch (error) { return { error: error.error ?? error.message }; }
  }, [app.clientId, app.discoveryEndpoint]);
  assert.equal((await silently()).error, 'login_required');
  await page.evaluate(([clientId, discoveryEndpoint]) => {
    document.getElementById('go').onclick = async () => {
      const id = new AppID();
      await id.init({ clientId, discoveryEndpoint });
      window.result = await id.signin();
    };
  }, [app.clientId, app.discoveryEndpoint]);
  const opened = page.waitForEvent('popup');
  await page.click('#go');
  const popup = await opened;
  await popup.fill('input[name=username]', 'jo@example.org');
  await popup.fill('input[name=password]', PASSWORD);
  await popup.click('button[type=submit]');
  await page.waitForFunction(() => window.result);
  assert.deepEqual(await silently(), { email: 'jo@example.org' });
  await context.close();
});
