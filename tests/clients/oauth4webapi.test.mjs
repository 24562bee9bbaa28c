// A second independent client, which checks each answer against the letter of its RFC.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { PASSWORD, Person, allowRedirects, call, enableRefresh, letIn, makeApplication, makeInstance, makeUser, manage, url } from './support.mjs';

const redirectUri = 'http://127.0.0.1:9/callback';
const out = 'http://127.0.0.1:9/out';
const options = { [oauth.allowInsecureRequests]: true };
let guid, service, client, secret, page;

before(async () => {
  guid = await makeInstance('oauth4webapi');
  await allowRedirects(guid, [redirectUri]);
  await enableRefresh(guid);
  await call('PUT', manage(guid, '/config/cloud_directory/sso'), { expect: 201, body: { isActive: true, inactivityTimeoutSeconds: 600, logoutRedirectUris: [out] } });
  await makeUser(guid, 'wanda@example.org');
  const app = await makeApplication(guid, 'rp');
  page = await makeApplication(guid, 'page', 'singlepageapp');
  client = { client_id: app.clientId };
  secret = oauth.ClientSecretBasic(app.secret);
  const issuer = new URL(`${url}/oauth/v4/${guid}`);
  service = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
});

const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** An authorization request and how its answer is redeemed. */
async function request(as = client, how = secret, more = {}) {
  const asked = { verifier: oauth.generateRandomCodeVerifier(), state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() };
  const address = new URL(service.authorization_endpoint);
  address.search = new URLSearchParams({
    client_id: as.client_id, response_type: 'code', redirect_uri: redirectUri, scope: 'openid', state: asked.state, nonce: asked.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(asked.verifier), code_challenge_method: 'S256', ...more,
  });
  const redeem = async (location, verifier = asked.verifier) => {
    const answer = oauth.validateAuthResponse(service, as, new URL(location), asked.state);
    const response = await oauth.authorizationCodeGrantRequest(service, as, how, answer, redirectUri, verifier, options);
    const tokens = await oauth.processAuthorizationCodeResponse(service, as, response, { expectedNonce: asked.nonce, requireIdToken: true });
    await oauth.validateApplicationLevelSignature(service, response, options);
    return tokens;
  };
  return { address: address.href, redeem };
}

async function signIn(person = new Person(), ...how) {
  const { address, redeem } = await request(...how);
  const sent = await person.signIn(address, 'wanda@example.org', PASSWORD);
  return redeem(sent.headers.get('location'));
}

test('discovery, code with PKCE, user info, refresh, introspection, revocation', async () => {
  const tokens = await signIn();
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  const info = await oauth.processUserInfoResponse(service, client, sub, await oauth.userInfoRequest(service, client, tokens.access_token, options));
  assert.equal(info.email, 'wanda@example.org');

  const refresh = async (token) => oauth.processRefreshTokenResponse(service, client, await oauth.refreshTokenGrantRequest(service, client, secret, token, options));
  const active = async (token) => (await oauth.processIntrospectionResponse(service, client, await oauth.introspectionRequest(service, client, secret, token, options))).active;
  const renewed = await refresh(tokens.refresh_token);
  assert.notEqual(renewed.refresh_token, tokens.refresh_token);
  assert.equal(claims(renewed.access_token).sub, sub);
  assert.equal(await active(renewed.access_token), true);
  assert.equal(await oauth.processRevocationResponse(await oauth.revocationRequest(service, client, secret, renewed.refresh_token, options)), undefined);
  assert.equal(await active(renewed.access_token), false);
  await assert.rejects(refresh(renewed.refresh_token), { error: 'invalid_grant', status: 400 });
  const refused = await oauth.userInfoRequest(service, client, renewed.access_token, options);
  await assert.rejects(oauth.processUserInfoResponse(service, client, sub, refused), (error) => error.cause[0].scheme === 'bearer' && error.cause[0].parameters.error === 'invalid_token');
});

test('a public client has PKCE for its proof', async () => {
  const tokens = await signIn(new Person(), { client_id: page.clientId }, oauth.None());
  assert.equal(tokens.refresh_token, undefined);
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).email, 'wanda@example.org');
  const { address, redeem } = await request({ client_id: page.clientId }, oauth.None());
  const sent = await new Person().signIn(address, 'wanda@example.org', PASSWORD);
  await assert.rejects(redeem(sent.headers.get('location'), oauth.generateRandomCodeVerifier()), { error: 'invalid_grant', status: 400 });
});

test('client credentials, and a wrong secret', async () => {
  const ask = async (how) => oauth.processClientCredentialsResponse(service, client, await oauth.clientCredentialsGrantRequest(service, client, how, new URLSearchParams(), options));
  assert.deepEqual(claims((await ask(secret)).access_token).aud, [client.client_id]);
  for (const how of [oauth.ClientSecretBasic('wrong'), oauth.ClientSecretPost('wrong')]) {
    await assert.rejects(ask(how), ({ status, cause }) => status === 401 && cause[0].scheme === 'basic');
  }
});

test('single sign-on and RP-initiated logout', async () => {
  const person = new Person();
  const first = await signIn(person);
  const silent = await request(client, secret, { prompt: 'none', id_token_hint: first.id_token });
  const again = await silent.redeem((await person.go(silent.address)).headers.get('location'));
  assert.equal(claims(again.id_token).sid, claims(first.id_token).sid);
  const leave = new URL(service.end_session_endpoint);
  leave.search = new URLSearchParams({ id_token_hint: again.id_token, post_logout_redirect_uri: out, state: 'bye' });
  assert.equal((await person.go(leave.href)).headers.get('location'), `${out}?state=bye`);
  const gone = await request(client, secret, { prompt: 'none' });
  const answer = (await person.go(gone.address)).headers.get('location');
  await assert.rejects(gone.redeem(answer), { error: 'login_required' });
});

test('a device asks for codes, waits, and gets tokens once', async () => {
  await call('PUT', manage(guid, '/config/oauth'), { body: { deviceAuthorization: true } });
  const issuer = new URL(`${url}/oauth/v4/${guid}`);
  const fresh = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  const ask = await oauth.deviceAuthorizationRequest(fresh, client, secret, { scope: 'openid' }, options);
  const codes = await oauth.processDeviceAuthorizationResponse(fresh, client, ask);
  const poll = async () => oauth.processDeviceCodeResponse(fresh, client, await oauth.deviceCodeGrantRequest(fresh, client, secret, codes.device_code, options));
  await assert.rejects(poll(), { error: 'authorization_pending', status: 400 });
  await assert.rejects(poll(), { error: 'slow_down', status: 400 });
  await letIn(new Person(), codes, 'wanda@example.org');
  // The interval has grown.
  await new Promise((resolve) => setTimeout(resolve, (codes.interval + 5) * 1000));
  const tokens = await poll();
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).email, 'wanda@example.org');
  await new Promise((resolve) => setTimeout(resolve, (codes.interval + 5) * 1000));
  await assert.rejects(poll(), { error: 'invalid_grant', status: 400 });
});

test('an API takes tokens that are for it alone, and exchanges them to call another', async () => {
  const [near, far] = ['https://near.example.org/v1', 'urn:example:far'];
  await call('PUT', manage(guid, '/config/oauth'), { body: { jwtAccessTokens: true, tokenExchange: true, resources: [near, far] } });
  const api = await makeApplication(guid, 'api');
  const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
  await call('PUT', manage(guid, `/applications/${api.clientId}/metadata`), { body: { grant_types: [exchange] } });
  const judge = (token, audience) => {
    const request = new Request('https://near.example.org/v1/things', { headers: { authorization: `Bearer ${token}` } });
    return oauth.validateJwtAccessToken(service, request, audience, options);
  };
  const { address, redeem } = await request(client, secret, { resource: near });
  const sent = await new Person().signIn(address, 'wanda@example.org', PASSWORD);
  const tokens = await redeem(sent.headers.get('location'));
  const before = await judge(tokens.access_token, near);
  assert.equal(before.client_id, client.client_id);
  await assert.rejects(judge(tokens.access_token, far));
  const refused = await request(client, secret, { resource: 'https://other.example.org' });
  assert.equal(new URL((await new Person().go(refused.address)).headers.get('location')).searchParams.get('error'), 'invalid_target');

  const server = { client_id: api.clientId };
  const type = 'urn:ietf:params:oauth:token-type:access_token';
  const swap = async (more) => oauth.processGenericTokenEndpointResponse(service, server, await oauth.genericTokenEndpointRequest(
    service, server, oauth.ClientSecretBasic(api.secret), exchange, { subject_token: tokens.access_token, subject_token_type: type, ...more }, options,
  ));
  const got = await swap({ resource: far, scope: 'openid' });
  assert.equal(got.issued_token_type, type);
  const after = await judge(got.access_token, far);
  assert.deepEqual([after.sub, after.client_id, after.scope], [before.sub, api.clientId, 'openid']);
  assert.ok(after.exp <= before.exp);
  await assert.rejects(swap({ scope: 'openid more' }), { error: 'invalid_scope', status: 400 });
  await assert.rejects(swap({ audience: 'https://other.example.org' }), { error: 'invalid_target', status: 400 });
});
