// Signed requests (RFC 9101) and signed answers (JARM), of independent clients.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as oidc from 'openid-client';
import * as support from './support.mjs';
import { CALLBACK, signer, withOauth4webapi, withOpenidClient } from './signed.mjs';

const EMAIL = 'sigrid@example.org';
let application, guid;

before(async () => {
  guid = await support.makeInstance('signed');
  await support.makeUser(guid, EMAIL);
  application = await signer(support, guid);
  await support.call('PUT', support.manage(guid, '/config/oauth'), { body: { requestObjects: 'required' } });
});

test('openid-client signs what it asks for and verifies what it is answered', async () => {
  assert.ok((await withOpenidClient(support, application, EMAIL)).access_token);
});

test('openid-client pushes what it signed', async () => {
  assert.ok((await withOpenidClient(support, application, EMAIL, { push: true })).access_token);
});

test('oauth4webapi signs, pushes and verifies', async () => {
  assert.ok((await withOauth4webapi(support, application, EMAIL)).access_token);
});

test('a request that another key signed, or none, gets a page and no code', async () => {
  const { issuer, clientId } = application;
  const config = await oidc.discovery(issuer, clientId, {}, oidc.None(), { execute: [oidc.allowInsecureRequests] });
  const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const asked = { redirect_uri: CALLBACK, scope: 'openid', state: 's' };
  const forged = await oidc.buildAuthorizationUrlWithJAR(config, asked, { key: privateKey, kid: 'own' });
  assert.equal((await fetch(forged, { redirect: 'manual' })).status, 400);
  const plain = await fetch(oidc.buildAuthorizationUrl(config, asked), { redirect: 'manual' });
  assert.equal(new URL(plain.headers.get('location')).searchParams.get('error'), 'invalid_request');
});
