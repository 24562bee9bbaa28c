// Tokens bound to a key with nonces, and what is signed as the client wants: two independent clients do it.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';
import { PASSWORD, Person, allowRedirects, call, enableRefresh, makeApplication, makeInstance, makeUser, manage, url } from './support.mjs';

const redirectUri = 'http://127.0.0.1:9/callback';
const options = { [oauth.allowInsecureRequests]: true };
let guid, issuer, app;

before(async () => {
  guid = await makeInstance('bound');
  await allowRedirects(guid, [redirectUri]);
  await enableRefresh(guid);
  await makeUser(guid, 'nora@example.org');
  app = await makeApplication(guid, 'rp');
  issuer = new URL(`${url}/oauth/v4/${guid}`);
});

const header = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

test('openid-client answers nonces by itself, at the token endpoint and at user info', async () => {
  await call('PUT', manage(guid, '/config/oauth'), { body: { dpop: 'required', dpopNonce: true } });
  const config = await oidc.discovery(issuer, app.clientId, app.secret, undefined, { execute: [oidc.allowInsecureRequests] });
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const address = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: 'openid', state, code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const sent = await new Person().signIn(address.href, 'nora@example.org', PASSWORD);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(sent.headers.get('location')), { pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true }, undefined, { DPoP });
  assert.equal(tokens.token_type, 'dpop');
  assert.ok(claims(tokens.access_token).cnf.jkt);
  const { sub } = tokens.claims();
  assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).email, 'nora@example.org');
  const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  assert.equal(claims(renewed.access_token).cnf.jkt, claims(tokens.access_token).cnf.jkt);
  await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, sub));
});

test('oauth4webapi knows the errors that ask for nonces', async () => {
  await call('PUT', manage(guid, '/config/oauth'), { body: { dpop: 'required', dpopNonce: true } });
  const service = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  const client = { client_id: app.clientId };
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
  const ask = async () => oauth.processClientCredentialsResponse(service, client,
    await oauth.clientCredentialsGrantRequest(service, client, oauth.ClientSecretBasic(app.secret), {}, { ...options, DPoP }));
  await assert.rejects(ask, (error) => oauth.isDPoPNonceError(error));
  assert.equal((await ask()).token_type, 'dpop');
});

test('identity tokens and user info are signed with what the client named', async () => {
  await call('PUT', manage(guid, '/config/oauth'), { body: {} });
  const body = { id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'PS256' };
  await call('PUT', manage(guid, `/applications/${app.clientId}/metadata`), { body });
  const config = await oidc.discovery(issuer, app.clientId, body, oidc.ClientSecretBasic(app.secret), { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] });
  const state = oidc.randomState();
  const address = oidc.buildAuthorizationUrl(config, { redirect_uri: redirectUri, scope: 'openid', state });
  const sent = await new Person().signIn(address.href, 'nora@example.org', PASSWORD);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(sent.headers.get('location')), { expectedState: state, idTokenExpected: true });
  assert.equal(header(tokens.id_token).alg, 'ES256');
  assert.equal(header(tokens.access_token).alg, 'RS256');
  const info = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  assert.equal(info.email, 'nora@example.org');
  assert.equal(info.aud, app.clientId);
  // A client that expects another algorithm says so.
  const strict = await oidc.discovery(issuer, app.clientId, { ...body, userinfo_signed_response_alg: 'RS256' }, oidc.ClientSecretBasic(app.secret), { execute: [oidc.allowInsecureRequests] });
  await assert.rejects(oidc.fetchUserInfo(strict, tokens.access_token, tokens.claims().sub));
});
