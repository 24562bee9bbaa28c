// A page of an application watches the session through our frame, in Chromium (OpenID Connect Session Management 1.0).
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from './cluster.mjs';
import { PASSWORD, allowRedirects, browser, call, makeApplication, makeInstance, makeUser, manage, url } from './support.mjs';

let chromium, server, near, app, guid, metadata;
const folder = mkdtempSync(join(tmpdir(), 'vestibule-check-session-'));

before(async () => {
  guid = await makeInstance('check-session');
  app = await makeApplication(guid, 'watcher');
  await makeUser(guid, 'wanda@example.org');
  server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>rp</title>')).listen(0);
  await new Promise((ready) => server.on('listening', ready));
  // Over plain http a cookie reaches a frame only within one site: the page has the address of the service.
  near = `http://127.0.0.1:${server.address().port}`;
  await allowRedirects(guid, [`${near}/cb`]);
  await call('PUT', manage(guid, '/config/cloud_directory/sso'), { expect: 201, body: { isActive: true, inactivityTimeoutSeconds: 600, logoutRedirectUris: [`${near}/out`] } });
  metadata = await (await fetch(`${url}/oauth/v4/${guid}/.well-known/openid-configuration`)).json();
  chromium = await browser();
});
after(async () => {
  await chromium?.close();
  server?.close();
  server?.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (redirect, more = {}, [at, client] = [metadata, app]) =>
  `${at.authorization_endpoint}?${new URLSearchParams({ client_id: client.clientId, redirect_uri: redirect, response_type: 'code', scope: 'openid', ...more })}`;

/** Signs in with the page; the session_state of the answer. */
async function signIn(page, redirect, more, service) {
  await page.goto(ask(redirect, more, service));
  await page.fill('input[name=username]', 'wanda@example.org');
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button:not(.quiet)');
  await page.waitForURL((address) => address.href.startsWith(redirect));
  return new URL(page.url()).searchParams.get('session_state');
}

/** What the frame answers to a page. */
const told = (page, text, at = metadata) => page.evaluate(async ([frame, message]) => {
  const element = document.body.appendChild(Object.assign(document.createElement('iframe'), { src: frame, hidden: true }));
  await new Promise((loaded) => { element.onload = loaded; });
  const answer = new Promise((resolve) => addEventListener('message', (event) => {
    if (event.origin === new URL(frame).origin && event.source === element.contentWindow) resolve(event.data);
  }));
  element.contentWindow.postMessage(message, new URL(frame).origin);
  const said = await answer;
  element.remove();
  return said;
}, [at.check_session_iframe, text]);

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

/** A service of its own over https, which is another site than the pages of the application; its metadata and an application. */
async function overHttps(stop) {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const [front, back] = [await freePort(), await freePort()];
  const apikey = 'the key of an administrator over https';
  const { VESTIBULE_URL: _, VESTIBULE_API_KEY: __, ...env } = process.env;
  const words = ['serve', '--listen', `127.0.0.1:${back}`, '--public-url', `https://localhost:${front}`, '--data-dir', join(folder, 'data'), '--log', 'warn'];
  const service = spawn(process.env.VESTIBULE_BINARY, words, { env: { ...env, VESTIBULE_ADMIN_API_KEY: apikey }, stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => service.once('exit', resolve));
  stop.push(() => { service.kill(); return gone; });
  await new Promise((resolve, reject) => { service.stdout.once('data', resolve); gone.then(() => reject(new Error('the service does not start'))); });
  const tls = createSecure({ key: readFileSync(key), cert: readFileSync(cert) }, (asked, answer) => {
    const { headers, method, url: path } = asked;
    asked.pipe(forward({ host: '127.0.0.1', port: back, method, path, headers, agent: false }, (got) => { answer.writeHead(got.statusCode, got.rawHeaders); got.pipe(answer); }));
  }).listen(front, 'localhost');
  stop.push(() => { tls.close(); tls.closeAllConnections(); });
  await new Promise((ready) => tls.on('listening', ready));
  const there = async (method, path, { body, bearer, form } = {}) => {
    const headers = { ...(bearer && { authorization: `Bearer ${bearer}` }), ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(`http://127.0.0.1:${back}${path}`, { method, headers, body: form ?? (body && JSON.stringify(body)) });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${text}`);
    return text && JSON.parse(text);
  };
  const { access_token: bearer } = await there('POST', '/identity/token', { form: new URLSearchParams({ grant_type: 'urn:ibm:params:oauth:grant-type:apikey', apikey }) });
  const { guid: made } = await there('POST', '/v2/resource_instances', { bearer, body: { name: 'https', target: 'local', resource_plan_id: 'standard', resource_group: 'default' } });
  await there('PUT', manage(made, '/config/redirect_uris'), { bearer, body: { redirectUris: [`${near}/cb`] } });
  await there('PUT', manage(made, '/config/cloud_directory/sso'), { bearer, body: { isActive: true, inactivityTimeoutSeconds: 600 } });
  await there('POST', manage(made, '/cloud_directory/Users'), { bearer, body: { emails: [{ value: 'wanda@example.org', primary: true }], password: PASSWORD, status: 'CONFIRMED' } });
  const own = await there('POST', manage(made, '/applications'), { bearer, body: { name: 'far', type: 'regularwebapp' } });
  return [await there('GET', `/oauth/v4/${made}/.well-known/openid-configuration`), own];
}

/** Chromium that gives frames of other sites their cookies, or does not. */
async function withCookies(given) {
  const { chromium: launcher } = await import('playwright-core');
  const profile = join(folder, `profile-${given}`);
  mkdirSync(join(profile, 'Default'), { recursive: true });
  writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify({ profile: { cookie_controls_mode: given ? 0 : 1, block_third_party_cookies: !given } }));
  return launcher.launchPersistentContext(profile, { executablePath: '/usr/bin/chromium', ignoreHTTPSErrors: true, args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
}

test('over https pages of other sites are told, and where the browser keeps cookies from frames, that nothing can be told', async () => {
  const stop = [];
  try {
    const service = await overHttps(stop);
    const [at, { clientId }] = service;
    for (const given of [true, false]) {
      const context = await withCookies(given);
      stop.push(() => context.close());
      const page = await context.newPage();
      const first = await signIn(page, `${near}/cb`, {}, service);
      assert.equal(await told(page, `${clientId} ${first}`, at), given ? 'unchanged' : 'error');
      const beside = await context.newPage();
      await signIn(beside, `${near}/cb`, { prompt: 'login' }, service);
      assert.equal(await told(page, `${clientId} ${first}`, at), given ? 'changed' : 'error');
    }
  } finally { for (const end of stop.reverse()) await end(); }
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
