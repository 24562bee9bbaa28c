// A page of an application watches the session through our frame, in Chromium (OpenID Connect Session Management 1.0).
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { PASSWORD, allowRedirects, browser, call, makeApplication, makeInstance, makeUser, manage, url } from './support.mjs';

let chromium, server, near, far, app, guid, metadata;

before(async () => {
  guid = await makeInstance('check-session');
  app = await makeApplication(guid, 'watcher');
  await makeUser(guid, 'wanda@example.org');
  server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>rp</title>')).listen(0);
  await new Promise((ready) => server.on('listening', ready));
  // Over plain http a cookie reaches a frame only within one site: one page has the address of the service, the other has not.
  near = `http://127.0.0.1:${server.address().port}`;
  far = `http://localhost:${server.address().port}`;
  await allowRedirects(guid, [`${near}/cb`, `${far}/cb`]);
  await call('PUT', manage(guid, '/config/cloud_directory/sso'), { expect: 201, body: { isActive: true, inactivityTimeoutSeconds: 600, logoutRedirectUris: [`${near}/out`] } });
  metadata = await (await fetch(`${url}/oauth/v4/${guid}/.well-known/openid-configuration`)).json();
  chromium = await browser();
});
after(async () => { await chromium?.close(); server?.close(); server?.closeAllConnections(); });

const ask = (redirect, more = {}) => `${metadata.authorization_endpoint}?${new URLSearchParams({ client_id: app.clientId, redirect_uri: redirect, response_type: 'code', scope: 'openid', ...more })}`;

/** Signs in with the page; the session_state of the answer. */
async function signIn(page, redirect, more) {
  await page.goto(ask(redirect, more));
  await page.fill('input[name=username]', 'wanda@example.org');
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button:not(.quiet)');
  await page.waitForURL((address) => address.href.startsWith(redirect));
  return new URL(page.url()).searchParams.get('session_state');
}

/** What the frame answers to a page. */
const told = (page, text) => page.evaluate(async ([frame, message]) => {
  const element = document.body.appendChild(Object.assign(document.createElement('iframe'), { src: frame, hidden: true }));
  await new Promise((loaded) => { element.onload = loaded; });
  const answer = new Promise((resolve) => addEventListener('message', (event) => {
    if (event.origin === new URL(frame).origin && event.source === element.contentWindow) resolve(event.data);
  }));
  element.contentWindow.postMessage(message, new URL(frame).origin);
  const said = await answer;
  element.remove();
  return said;
}, [metadata.check_session_iframe, text]);

test('the frame says when the session is another', async () => {
  const context = await chromium.newContext();
  const page = await context.newPage();
  const first = await signIn(page, `${near}/cb`);
  assert.equal(await told(page, `${app.clientId} ${first}`), 'unchanged');
  // The session goes on silently.
  const beside = await context.newPage();
  await beside.goto(ask(`${near}/cb`, { prompt: 'none' }));
  const silent = new URL(beside.url()).searchParams.get('session_state');
  assert.notEqual(silent, first);
  for (const state of [first, silent]) assert.equal(await told(page, `${app.clientId} ${state}`), 'unchanged');
  // Another application's name, what is made up, and what is no message.
  assert.equal(await told(page, `somebody ${first}`), 'changed');
  assert.equal(await told(page, `${app.clientId} ${first.split('.')[0]}.salt`), 'changed');
  for (const odd of ['', 'x', `${app.clientId} ${first} more`, { a: 1 }, null]) assert.equal(await told(page, odd), 'error');
  // A new sign-in, then signing out.
  const second = await signIn(beside, `${near}/cb`, { prompt: 'login' });
  assert.equal(await told(page, `${app.clientId} ${first}`), 'changed');
  assert.equal(await told(page, `${app.clientId} ${second}`), 'unchanged');
  await beside.goto(`${metadata.issuer}/cloud_directory/sso/logout?${new URLSearchParams({ client_id: app.clientId, redirect_uri: `${near}/out` })}`);
  assert.equal(await told(page, `${app.clientId} ${second}`), 'changed');
  await context.close();
});

test('a page that made its state up learns nothing of who is signed in', async () => {
  const context = await chromium.newContext();
  const page = await context.newPage();
  const madeUp = () => page.evaluate(async ([client, origin]) => {
    const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${client} ${origin}  salt`)));
    return `${client} ${btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')}.salt`;
  }, [app.clientId, near]);
  await page.goto(near);
  assert.equal(await told(page, await madeUp()), 'changed');
  await signIn(page, `${near}/cb`);
  assert.equal(await told(page, await madeUp()), 'changed');
  await context.close();
});

test('where the browser keeps cookies from frames of other sites the frame says that it cannot tell', async () => {
  const strict = await browser(['--test-third-party-cookie-phaseout']);
  try {
    const page = await strict.newPage();
    const state = await signIn(page, `${far}/cb`);
    assert.equal(await told(page, `${app.clientId} ${state}`), 'error');
  } finally { await strict.close(); }
});

test('a person who cancels goes back', async () => {
  const page = await chromium.newPage();
  await page.goto(ask(`${near}/cb`, { state: 'kept' }));
  await page.click('button.quiet');
  await page.waitForURL((address) => address.href.startsWith(`${near}/cb`));
  const answer = new URL(page.url()).searchParams;
  assert.deepEqual([answer.get('error'), answer.get('state')], ['access_denied', 'kept']);
  await page.close();
});
