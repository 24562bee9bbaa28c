// Signed requests and signed answers with two independent clients, each the whole way to tokens. `support` is handed in: the suite of two
// nodes loads it late.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';

export const CALLBACK = 'http://127.0.0.1:9/callback';
const insecure = { [oauth.allowInsecureRequests]: true };

/** An application of the instance that signs with its own key who it is and what it asks for. */
export async function signer(support, guid) {
  const { clientId } = await support.makeApplication(guid, 'signer');
  const { privateKey, publicKey } = await oauth.generateKeyPair('ES256', { extractable: true });
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
  const body = {
    token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty, crv, x, y, kid: 'own' }] }, redirect_uris: [CALLBACK],
    authorization_signed_response_alg: 'ES256', grant_types: ['authorization_code', 'refresh_token'],
  };
  await support.call('PUT', support.manage(guid, `/applications/${clientId}/metadata`), { body });
  return { issuer: new URL(`${support.url}/oauth/v4/${guid}`), clientId, key: { key: privateKey, kid: 'own' } };
}

/** openid-client: its request signed (JAR), pushed where asked for, its answer signed (JARM); answers what it was given. */
export async function withOpenidClient(support, { issuer, clientId, key }, email, { push = false } = {}) {
  const metadata = { authorization_signed_response_alg: 'ES256' };
  const config = await oidc.discovery(issuer, clientId, metadata, oidc.PrivateKeyJwt(key), { execute: [oidc.allowInsecureRequests, oidc.useJwtResponseMode] });
  const [verifier, state, nonce] = [oidc.randomPKCECodeVerifier(), oidc.randomState(), oidc.randomNonce()];
  let address = await oidc.buildAuthorizationUrlWithJAR(config, {
    redirect_uri: CALLBACK, scope: 'openid email', state, nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }, key);
  assert.deepEqual([...address.searchParams.keys()].sort(), ['client_id', 'request']);
  if (push) address = await oidc.buildAuthorizationUrlWithPAR(config, address.searchParams);
  const sent = await new support.Person().signIn(address.href, email, support.PASSWORD);
  const back = new URL(sent.headers.get('location'));
  assert.deepEqual([...back.searchParams.keys()], ['response'], 'all that is answered is signed');
  const tokens = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true });
  const { sub } = tokens.claims();
  assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, sub)).email, email);
  return tokens;
}

/** oauth4webapi: the request signed and pushed, the answer signed. */
export async function withOauth4webapi(support, { issuer, clientId, key }, email) {
  const service = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
  const client = { client_id: clientId, authorization_signed_response_alg: 'ES256' };
  const prove = oauth.PrivateKeyJwt(key);
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
  const request = await oauth.issueRequestObject(service, client, {
    response_type: 'code', response_mode: 'jwt', redirect_uri: CALLBACK, scope: 'openid email', state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }, key);
  const pushed = await oauth.processPushedAuthorizationResponse(service, client, await oauth.pushedAuthorizationRequest(service, client, prove, { request }, insecure));
  const address = `${service.authorization_endpoint}?${new URLSearchParams({ client_id: clientId, request_uri: pushed.request_uri })}`;
  const sent = await new support.Person().signIn(address, email, support.PASSWORD);
  const answer = await oauth.validateJwtAuthResponse(service, client, new URL(sent.headers.get('location')), state, insecure);
  const response = await oauth.authorizationCodeGrantRequest(service, client, prove, answer, CALLBACK, verifier, insecure);
  const tokens = await oauth.processAuthorizationCodeResponse(service, client, response, { expectedNonce: nonce, requireIdToken: true });
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).email, email);
  return tokens;
}
