// An independent OpenID client runs every flow of this service unmodified.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as oidc from 'openid-client';
import { PASSWORD, Person, allowRedirects, browser, call, enableRefresh, letIn, makeApplication, makeInstance, makeUser, manage, url } from './support.mjs';

const redirectUri = 'http://127.0.0.1:9/callback';
let guid, config;

before(async () => {
  guid = await makeInstance('openid-client');
  await allowRedirects(guid, [redirectUri]);
  await enableRefresh(guid);
  await makeUser(guid, 'olive@example.org');
  const app = await makeApplication(guid, 'rp');
  config = await oidc.discovery(new URL(`${url}/oauth/v4/${guid}`), app.clientId, app.secret, oidc.ClientSecretBasic(app.secret), { execute: [oidc.allowInsecureRequests] });
});

test('discovery, code with PKCE, userinfo, refresh, introspection, revocation', async () => {
  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const address = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: 'openid', state, nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const sent = await new Person().signIn(address.href, 'olive@example.org', PASSWORD);
  assert.ok([302, 303].includes(sent.status), String(sent.status));
  const tokens = await oidc.authorizationCodeGrant(config, new URL(sent.headers.get('location')), {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  });
  const claims = tokens.claims();
  assert.equal(claims.email, 'olive@example.org');
  const info = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.equal(info.identities[0].provider, 'cloud_directory');

  const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(renewed.refresh_token, tokens.refresh_token);
  assert.equal((await oidc.tokenIntrospection(config, renewed.access_token)).active, true);
  await oidc.tokenRevocation(config, renewed.refresh_token);
  await assert.rejects(oidc.refreshTokenGrant(config, renewed.refresh_token), { error: 'invalid_grant' });
});

test('client credentials', async () => {
  const tokens = await oidc.clientCredentialsGrant(config);
  assert.equal(tokens.token_type, 'bearer');
  assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, true);
  assert.equal((await oidc.tokenIntrospection(config, 'nonsense')).active, false);
});

test('a wrong verifier gets nothing, and burns the code', async () => {
  const verifier = oidc.randomPKCECodeVerifier();
  const address = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const sent = await new Person().signIn(address.href, 'olive@example.org', PASSWORD);
  const back = new URL(sent.headers.get('location'));
  await assert.rejects(oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: oidc.randomPKCECodeVerifier() }), { error: 'invalid_grant' });
  await assert.rejects(oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier }), { error: 'invalid_grant' });
});

test('single sign-on: max_age, prompt, hints, claims, and logout', async () => {
  const out = 'http://127.0.0.1:9/out';
  await call('PUT', manage(guid, '/config/cloud_directory/sso'), { expect: 201, body: { isActive: true, inactivityTimeoutSeconds: 600, logoutRedirectUris: [out] } });
  const verifier = oidc.randomPKCECodeVerifier();
  const challenge = await oidc.calculatePKCECodeChallenge(verifier);
  const person = new Person();
  const address = (more) => oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: 'openid profile email', state: 's', code_challenge: challenge, code_challenge_method: 'S256', ...more,
  });
  const redeem = (location, more = {}) => oidc.authorizationCodeGrant(config, new URL(location), { pkceCodeVerifier: verifier, expectedState: 's', ...more });
  const sent = await person.signIn(address({ max_age: '1000' }).href, 'olive@example.org', PASSWORD);
  const first = await redeem(sent.headers.get('location'), { maxAge: 1000 });
  const silent = await person.go(address({ prompt: 'none', id_token_hint: first.id_token, claims: JSON.stringify({ id_token: { auth_time: null } }) }).href);
  assert.equal(silent.status, 302);
  const second = await redeem(silent.headers.get('location'));
  assert.equal(second.claims().auth_time, first.claims().auth_time);
  assert.equal(second.claims().sid, first.claims().sid);
  const left = await person.go(oidc.buildEndSessionUrl(config, { id_token_hint: second.id_token, post_logout_redirect_uri: out, state: 'bye' }).href);
  assert.equal(left.headers.get('location'), `${out}?state=bye`);
  const gone = await person.go(address({ prompt: 'none' }).href);
  await assert.rejects(redeem(gone.headers.get('location')), { error: 'login_required' });
});

test('a client registers itself, signs who it is with its own key, and the person agrees', async () => {
  await call('PUT', manage(guid, '/config/oauth/registration'), { body: { enabled: 'initial_token' }, expect: 204 });
  const { token } = await call('POST', manage(guid, '/oauth/initial_access_tokens'), { body: {}, expect: 201 });
  const own = 'http://127.0.0.1:9/registered';
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  const metadata = {
    redirect_uris: [own], client_name: 'Registered', token_endpoint_auth_method: 'private_key_jwt', subject_type: 'pairwise',
    jwks: { keys: [{ kty, crv, x, y, kid: 'own', use: 'sig', alg: 'ES256' }] },
  };
  const issuer = new URL(`${url}/oauth/v4/${guid}`);
  const prove = oidc.PrivateKeyJwt({ key: pair.privateKey, kid: 'own' });
  const execute = [oidc.allowInsecureRequests];
  await assert.rejects(oidc.dynamicClientRegistration(issuer, metadata, prove, { execute }));
  const registered = await oidc.dynamicClientRegistration(issuer, metadata, prove, { execute, initialAccessToken: token });
  assert.equal(registered.clientMetadata().client_secret, undefined);

  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const address = oidc.buildAuthorizationUrl(registered, {
    redirect_uri: own, scope: 'openid email', state, nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const person = new Person();
  const question = await person.signIn(address.href, 'olive@example.org', PASSWORD);
  const html = await question.text();
  assert.equal(question.status, 200, html.slice(0, 500));
  assert.match(html, /Registered asks for/);
  const [, action] = html.match(/action="([^"]*)"/);
  const [, context] = html.match(/name="context" value="([^"]*)"/);
  const sent = await person.go(new URL(action, url), { method: 'POST', body: new URLSearchParams({ context, decision: 'allow' }) });
  const tokens = await oidc.authorizationCodeGrant(registered, new URL(sent.headers.get('location')), {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  });
  const claims = tokens.claims();
  assert.equal(claims.sub.length, 43);
  assert.equal((await oidc.fetchUserInfo(registered, tokens.access_token, claims.sub)).email, 'olive@example.org');
  assert.equal((await oidc.tokenIntrospection(registered, tokens.access_token)).active, true);
});

test('a device: it polls while a person in a real browser lets it in', async () => {
  await call('PUT', manage(guid, '/config/oauth'), { body: { deviceAuthorization: true } });
  const app = await makeApplication(guid, 'television');
  const device = await oidc.discovery(new URL(`${url}/oauth/v4/${guid}`), app.clientId, app.secret, oidc.ClientSecretBasic(app.secret), { execute: [oidc.allowInsecureRequests] });
  const codes = await oidc.initiateDeviceAuthorization(device, { scope: 'openid email' });
  assert.match(codes.user_code, /^[B-Z]{4}-[B-Z]{4}$/);
  const polled = oidc.pollDeviceAuthorizationGrant(device, codes);
  const chromium = await browser();
  try {
    const page = await (await chromium.newContext({ javaScriptEnabled: false })).newPage();
    await page.goto(codes.verification_uri);
    await page.fill('#user_code', codes.user_code.toLowerCase());
    await page.click('button');
    await page.fill('#username', 'olive@example.org');
    await page.fill('#password', PASSWORD);
    await page.click('button');
    assert.equal(await page.textContent('p.code'), codes.user_code);
    assert.match(await page.textContent('main'), /television/);
    await page.click('button[value=allow]');
    await page.waitForSelector('[role=status]');
  } finally {
    await chromium.close();
  }
  const tokens = await polled;
  assert.equal(tokens.claims().email, 'olive@example.org');
  assert.equal((await oidc.fetchUserInfo(device, tokens.access_token, tokens.claims().sub)).email, 'olive@example.org');
  assert.ok((await oidc.refreshTokenGrant(device, tokens.refresh_token)).access_token);

  const refused = await oidc.initiateDeviceAuthorization(device, {});
  await letIn(new Person(), refused, 'olive@example.org', 'deny');
  await assert.rejects(oidc.pollDeviceAuthorizationGrant(device, refused), { error: 'access_denied' });
});
