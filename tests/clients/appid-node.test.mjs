// IBM's Node server SDK, unmodified.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { generateKeyPairSync, sign } from 'node:crypto';
import { createRequire } from 'node:module';
import express from 'express';
import session from 'express-session';
import passport from 'passport';
import { PASSWORD, Person, adminToken, allowRedirects, apiKey, browser, call, enableRefresh, makeApplication, makeInstance, makeUser, manage, passwordGrant, url } from './support.mjs';

const require = createRequire(import.meta.url);
const appid = require('ibmcloud-appid');
let guid, app, user, server, site, oauthServerUrl;

before(async () => {
  guid = await makeInstance('node-sdk');
  await enableRefresh(guid);
  app = await makeApplication(guid, 'node');
  user = await makeUser(guid, 'nora@example.org', { displayName: 'Nora N' });
  oauthServerUrl = `${url}/oauth/v4/${guid}`;
  const web = express();
  server = web.listen(0, '127.0.0.1');
  await new Promise((ready) => server.on('listening', ready));
  site = `http://127.0.0.1:${server.address().port}`;
  await allowRedirects(guid, [`${site}/callback`, `${site}/`]);
  const strategy = new appid.WebAppStrategy({ tenantId: guid, clientId: app.clientId, secret: app.secret, oauthServerUrl, redirectUri: `${site}/callback` });
  web.use(session({ secret: 'test', resave: false, saveUninitialized: true }));
  web.use(express.urlencoded({ extended: false }));
  web.use(passport.initialize(), passport.session());
  passport.use(strategy);
  passport.use(new appid.APIStrategy({ oauthServerUrl, tenantId: guid }));
  passport.serializeUser((who, done) => done(null, who));
  passport.deserializeUser((who, done) => done(null, who));
  const name = appid.WebAppStrategy.STRATEGY_NAME;
  web.get('/login', passport.authenticate(name, { successRedirect: '/me', forceLogin: true, keepSessionInfo: true }));
  web.get('/callback', passport.authenticate(name, { failureRedirect: '/failed', keepSessionInfo: true }));
  web.get('/failed', (_, answer) => answer.status(401).send('failed'));
  web.get('/me', (request, answer) => answer.json({ user: request.user, context: request.session[appid.WebAppStrategy.AUTH_CONTEXT] }));
  web.get('/refresh', async (request, answer) => {
    const held = request.session[appid.WebAppStrategy.AUTH_CONTEXT].refreshToken;
    await strategy.refreshTokens(request, held);
    answer.json(request.session[appid.WebAppStrategy.AUTH_CONTEXT]);
  });
  web.post('/password', passport.authenticate(name, { successRedirect: '/me', failureRedirect: '/failed', keepSessionInfo: true }));
  web.get('/logout', (request, answer) => { appid.WebAppStrategy.logout(request); answer.json({}); });
  web.get('/api', passport.authenticate(appid.APIStrategy.STRATEGY_NAME, { session: false }), (request, answer) => answer.json(request.appIdAuthorizationContext.accessTokenPayload));
  web.get('/api/scoped', passport.authenticate(appid.APIStrategy.STRATEGY_NAME, { session: false, scope: 'no.such.scope' }), (_, answer) => answer.json({}));
});
after(() => { server?.close(); server?.closeAllConnections(); });

test('WebAppStrategy, code flow through the page', async () => {
  const person = new Person();
  const start = await person.go(`${site}/login`);
  assert.equal(start.status, 302);
  const sent = await person.signIn(start.headers.get('location'), 'nora@example.org', PASSWORD);
  const back = await person.go(sent.headers.get('location'));
  assert.equal(back.status, 302, await back.text());
  const me = await (await person.go(`${site}/me`)).json();
  assert.equal(me.user.email, 'nora@example.org');
  assert.equal(me.user.name, 'Nora N');
  assert.equal(me.context.accessTokenPayload.ver, 4);
  assert.deepEqual(me.context.accessTokenPayload.amr, ['cloud_directory']);
  assert.equal(me.context.identityTokenPayload.identities[0].id, user.id);

  const renewed = await (await person.go(`${site}/refresh`)).json();
  assert.notEqual(renewed.refreshToken, me.context.refreshToken);
  assert.equal(renewed.accessTokenPayload.sub, me.context.accessTokenPayload.sub);
  await person.go(`${site}/logout`);
  assert.equal((await (await person.go(`${site}/me`)).json()).context ?? null, null);
});

test('WebAppStrategy, code flow in Chromium', async () => {
  const chromium = await browser();
  try {
    const page = await chromium.newPage();
    await page.goto(`${site}/login`);
    assert.ok(page.url().startsWith(`${oauthServerUrl}/authorization`), 'the sign-in page is this service\'s');
    await page.fill('input[name=username]', 'nora@example.org');
    await page.fill('input[name=password]', 'not the password');
    await page.click('button[type=submit]');
    await page.waitForSelector('[role=alert]');
    assert.ok(page.url().startsWith(url), 'a wrong password stays on the page');
    await page.fill('input[name=username]', 'nora@example.org');
    await page.fill('input[name=password]', PASSWORD);
    await page.click('button[type=submit]');
    await page.waitForURL(`${site}/me`);
    const me = JSON.parse(await page.textContent('body'));
    assert.equal(me.user.email, 'nora@example.org');
    assert.equal(me.context.accessTokenPayload.tenant, guid);
    await page.goto(`${site}/logout`);
    await page.goto(`${site}/me`);
    assert.equal(JSON.parse(await page.textContent('body')).context ?? null, null);
  } finally {
    await chromium.close();
  }
});

test('WebAppStrategy, password flow', async () => {
  const attempt = async (password) => {
    const person = new Person();
    const answer = await person.go(`${site}/password`, { method: 'POST', body: new URLSearchParams({ username: 'nora@example.org', password }) });
    return [answer.headers.get('location'), person];
  };
  const [good, person] = await attempt(PASSWORD);
  assert.equal(good, '/me');
  assert.equal((await (await person.go(`${site}/me`)).json()).user.email, 'nora@example.org');
  assert.equal((await attempt('wrong'))[0], '/failed');
});

test('APIStrategy', async () => {
  const { body } = await passwordGrant(guid, app, 'nora@example.org', PASSWORD);
  const api = (path, headers = {}) => fetch(`${site}${path}`, { headers });
  assert.equal((await api('/api')).status, 401);
  assert.equal((await api('/api', { authorization: 'Bearer nonsense' })).status, 401);
  const good = await api('/api', { authorization: `Bearer ${body.access_token} ${body.id_token}` });
  assert.equal(good.status, 200);
  assert.equal((await good.json()).tenant, guid);
  const scoped = await api('/api/scoped', { authorization: `Bearer ${body.access_token}` });
  assert.match(scoped.headers.get('www-authenticate'), /insufficient_scope/);
});

test('TokenManager, client credentials', async () => {
  const manager = new appid.TokenManager({ tenantId: guid, clientId: app.clientId, secret: app.secret, oauthServerUrl });
  const got = await manager.getApplicationIdentityToken();
  assert.ok(got.accessToken);
  const answer = await fetch(`${site}/api`, { headers: { authorization: `Bearer ${got.accessToken}` } });
  assert.equal(answer.status, 200, 'an API takes it');
});

test('TokenManager, custom identity', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await call('PUT', manage(guid, '/config/idps/custom'), { body: { isActive: true, config: { publicKey: publicKey.export({ type: 'spki', format: 'pem' }) } } });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const assertion = (more = {}) => {
    const text = `${part({ alg: 'RS256', typ: 'JOSE' })}.${part({ iss: 'shop', aud: oauthServerUrl, exp: Math.floor(Date.now() / 1000) + 60, sub: 'user-7', name: 'Cleo', ...more })}`;
    return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`;
  };
  const manager = new appid.TokenManager({ tenantId: guid, clientId: app.clientId, secret: app.secret, oauthServerUrl });
  const got = await manager.getCustomIdentityTokens(assertion(), ['read', 'write']);
  assert.equal(got.identityTokenPayload?.name ?? JSON.parse(Buffer.from(got.identityToken.split('.')[1], 'base64url')).name, 'Cleo');
  const answer = await fetch(`${site}/api`, { headers: { authorization: `Bearer ${got.accessToken}` } });
  assert.equal(answer.status, 200, 'an API takes it');
  assert.match(JSON.parse(Buffer.from(got.accessToken.split('.')[1], 'base64url')).scope, / read write$/);
  await assert.rejects(manager.getCustomIdentityTokens(assertion({ exp: 1 })));
});

test('UserProfileManager', async () => {
  const { body } = await passwordGrant(guid, app, 'nora@example.org', PASSWORD);
  const profiles = appid.UserProfileManager;
  profiles.init({ oauthServerUrl, profilesUrl: url });
  assert.deepEqual(await profiles.setAttribute(body.access_token, 'color', 'green'), { color: 'green' });
  assert.deepEqual(await profiles.getAttribute(body.access_token, 'color'), { color: 'green' });
  assert.equal((await profiles.getAllAttributes(body.access_token)).color, 'green');
  await profiles.deleteAttribute(body.access_token, 'color');
  assert.equal((await profiles.getAllAttributes(body.access_token)).color, undefined);
  const info = await profiles.getUserInfo(body.access_token, body.id_token);
  assert.equal(info.email, 'nora@example.org');
  await assert.rejects(profiles.getAllAttributes('nonsense'));
});

test('SelfServiceManager, calls about users', async () => {
  const service = new appid.SelfServiceManager({ iamApiKey: apiKey, managementUrl: url + manage(guid, ''), iamTokenUrl: `${url}/identity/token`, tenantId: guid });
  const made = await service.signUp({ emails: [{ value: 'sam@example.org', primary: true }], password: PASSWORD, displayName: 'Sam' });
  assert.ok(made.id);
  assert.equal((await service.getUserDetails(made.id)).emails[0].value, 'sam@example.org');
  const changed = await service.updateUserDetails(made.id, { ...made, displayName: 'Samira' });
  assert.equal(changed.displayName, 'Samira');
  await service.setUserNewPassword(made.id, 'another good passphrase 7');
  assert.equal((await passwordGrant(guid, app, 'sam@example.org', 'another good passphrase 7')).status, 200);
  assert.equal((await passwordGrant(guid, app, 'sam@example.org', PASSWORD)).status, 400);
  await assert.rejects(service.signUp({ emails: [{ value: 'SAM@example.org', primary: true }], password: PASSWORD }), (error) => error.code === 'uniqueness');
  await assert.rejects(service.signUp({ emails: [{ value: 'short@example.org', primary: true }], password: 'x' }), (error) => error.code === 'invalidValue');
  await assert.rejects(service.getUserDetails('7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6'));
  assert.ok(await adminToken());
  assert.ok(await call('GET', manage(guid, '/cloud_directory/Users')));
});
