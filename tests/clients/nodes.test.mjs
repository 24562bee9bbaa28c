// Two nodes on one PostgreSQL, each request at the other node than the one before: every flow works, what one node changes the other
// honours within a second, and a node that is killed costs nobody more than a retry.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, createHash, sign } from 'node:crypto';
import { after, before, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { cluster } from './cluster.mjs';
import { signer, withOauth4webapi, withOpenidClient } from './signed.mjs';

let nodes, proxy, stop, support, guid, app, base, one, two;
const CALLBACK = 'http://127.0.0.1:9/callback';
const OUT = 'http://127.0.0.1:9/out';
// A node looks for what others changed twice a second.
const SECOND = 1000;

before(async () => {
  const started = await cluster();
  ({ nodes, proxy, stop } = started);
  [one, two] = nodes;
  // What the other suites ask one service, these ask the proxy.
  Object.assign(process.env, { VESTIBULE_URL: proxy.url, VESTIBULE_API_KEY: started.apiKey });
  support = await import('./support.mjs');
  guid = await support.makeInstance('two nodes');
  base = `/oauth/v4/${guid}`;
  app = await support.makeApplication(guid, 'rp');
  await support.allowRedirects(guid, [CALLBACK]);
  await support.enableRefresh(guid);
  await configure('/config/cloud_directory/sso', { isActive: true, inactivityTimeoutSeconds: 600, logoutRedirectUris: [OUT] }, 201);
  // What other nodes keep of the instance is as old as a second at most.
  await settled();
});
after(() => stop?.());

const configure = (path, body, expect = 200) => support.call('PUT', support.manage(guid, path), { body, expect });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
const both = [0, 1];
let people = 0;

/** A person of the directory with a name of their own; answers the address. */
async function somebody() {
  const email = `person-${people += 1}@example.org`;
  await support.makeUser(guid, email);
  return email;
}

/** A request of the application, through the proxy or at one node. */
async function ask(path, fields, { at = proxy, client = app } = {}) {
  const answer = await fetch(`${at.url}${base}${path}`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client.clientId}:${client.secret}`).toString('base64')}` },
    body: new URLSearchParams(fields),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : undefined };
}
const token = async (fields, where) => {
  const { status, body } = await ask('/token', fields, where);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
};
const active = async (a, where) => (await ask('/introspect', { token: a }, where)).body.active;
const itself = (where) => token({ grant_type: 'client_credentials' }, where);
const userInfo = (bearer, at = proxy) => fetch(`${at.url}${base}/userinfo`, { headers: { authorization: `Bearer ${bearer}` } });

/** A node's clock in milliseconds, as it writes it into tokens. */
const clock = async (node) => parseInt(claims((await itself({ at: node })).access_token).jti.split('.')[1], 16);

/** Waits until `stale` no longer holds at a node; answers how long it did by the nodes' own clocks, and insists on a second and a look. */
async function honoured(node, stale) {
  const changed = await clock(nodes.find((other) => other !== node));
  for (let last = 0; ;) {
    const asked = await clock(node);
    if (!(await stale())) return last;
    last = asked - changed;
    assert.ok(last <= SECOND, `${last} ms after the change the other node does not know it`);
    await pause(10);
  }
}
/** Waits until the other node has seen every change so far. */
async function settled() {
  const marker = 301 + randomBytes(2).readUInt16BE();
  await configure('/config/tokens', { access: { expires_in: marker }, refresh: { enabled: true, expires_in: 86400 } });
  for (const node of nodes) while ((await itself({ at: node })).expires_in !== marker) await pause(10);
}

/** An authorization request. */
function request(more = {}) {
  const verifier = randomBytes(32).toString('base64url');
  const address = `${proxy.url}${base}/authorization?${new URLSearchParams({
    response_type: 'code', client_id: app.clientId, redirect_uri: CALLBACK, scope: 'openid', state: 's', nonce: 'n',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256', ...more,
  })}`;
  return { address, verifier };
}
const answered = (response) => new URL(response.headers.get('location') ?? assert.fail(`no redirect: ${response.status}`)).searchParams;
const redeem = (code, verifier, where) => token({ grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier }, where);
async function signIn(person, email, more) {
  const { address, verifier } = request(more);
  const back = answered(await person.signIn(address, email, support.PASSWORD));
  return redeem(back.get('code'), verifier);
}

/** Runs a flow twice, so that each of its requests reaches each node, and shows that it did go back and forth. */
const onEach = (name, flow) => test(name, async () => {
  for (const first of both) {
    proxy.next(nodes[first]);
    const from = proxy.served.length;
    await flow();
    const served = proxy.served.slice(from);
    assert.ok(served.length > 1 && served.every((node, n) => node === nodes[(first + n) % 2].name), served.join(' '));
  }
});

onEach('code with PKCE through the page, user info, refresh, introspection, revocation', async () => {
  const email = await somebody();
  const person = new support.Person();
  const { address, verifier } = request();
  const refused = await person.signIn(address, email, 'not the password');
  const page = await refused.text();
  assert.match(page, /role="alert"/);
  const back = answered(await person.submit(address, page, email, support.PASSWORD));
  assert.equal(back.get('state'), 's');
  let held = await redeem(back.get('code'), verifier);
  const { sub } = claims(held.id_token);
  const info = await (await userInfo(held.access_token)).json();
  assert.deepEqual([info.sub, info.email], [sub, email]);
  for (let n = 0; n < 3; n += 1) held = await token({ grant_type: 'refresh_token', refresh_token: held.refresh_token });
  assert.equal(claims(held.access_token).sub, sub);
  assert.equal(await active(held.access_token), true);
  assert.equal((await ask('/revoke', { token: held.refresh_token })).status, 200);
  assert.equal((await ask('/token', { grant_type: 'refresh_token', refresh_token: held.refresh_token })).body.error, 'invalid_grant');
});

test('a code that is shown to both nodes at once works at one, and of the answers to a refresh token one counts', async () => {
  for (let n = 0; n < 5; n += 1) {
    const email = await somebody();
    const { address, verifier } = request();
    const code = answered(await new support.Person().signIn(address, email, support.PASSWORD)).get('code');
    const fields = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier };
    const codes = await Promise.all(nodes.map((at) => ask('/token', fields, { at })));
    assert.deepEqual(codes.map(({ status }) => status).sort(), [200, 400], JSON.stringify(codes));
    // Showing it twice ended what it gave.
    const given = codes.find(({ status }) => status === 200).body;
    assert.equal((await ask('/token', { grant_type: 'refresh_token', refresh_token: given.refresh_token })).status, 400);

    const held = await token({ grant_type: 'password', username: email, password: support.PASSWORD });
    const again = { grant_type: 'refresh_token', refresh_token: held.refresh_token };
    const renewed = await Promise.all(nodes.map((at) => ask('/token', again, { at })));
    // The second to come is taken for one whose answer was lost, so that of the first is void: who shows it ends the family.
    assert.deepEqual(renewed.map(({ status }) => status), [200, 200], JSON.stringify(renewed));
    const shown = [];
    for (const { body: { refresh_token } } of renewed) shown.push((await ask('/token', { grant_type: 'refresh_token', refresh_token })).status);
    assert.ok(shown.filter((status) => status === 200).length <= 1 && shown.includes(400), shown.join());
    for (const { body: { access_token } } of renewed) {
      for (const at of nodes) await honoured(at, () => active(access_token, { at }));
    }
  }
});

onEach('password, refresh, attributes', async () => {
  const email = await somebody();
  assert.equal((await ask('/token', { grant_type: 'password', username: email, password: 'wrong' })).body.error, 'invalid_grant');
  const held = await token({ grant_type: 'password', username: email, password: support.PASSWORD });
  const renewed = await token({ grant_type: 'refresh_token', refresh_token: held.refresh_token });
  const bearer = renewed.access_token;
  assert.deepEqual(await support.call('PUT', '/api/v1/attributes/color', { body: 'green', bearer }), { color: 'green' });
  assert.deepEqual(await support.call('GET', '/api/v1/attributes', { bearer }), { color: 'green' });
});

onEach('client credentials', async () => {
  const { access_token } = await itself();
  assert.equal(await active(access_token), true);
  assert.equal(await active(access_token), true);
  assert.equal(await active(`${access_token}x`), false);
});

test('custom identity', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await configure('/config/idps/custom', { isActive: true, config: { publicKey: publicKey.export({ type: 'spki', format: 'pem' }) } });
  await settled();
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'RS256' })}.${part({ iss: 'shop', aud: `${proxy.url}${base}`, exp: Math.floor(Date.now() / 1000) + 60, sub: 'user-7', name: 'Cleo' })}`;
  const assertion = `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`;
  const subjects = [];
  for (const at of nodes) {
    const got = await token({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }, { at });
    subjects.push(claims(got.access_token).sub);
    for (const other of nodes) assert.equal((await (await userInfo(got.access_token, other)).json()).name, 'Cleo');
  }
  assert.equal(subjects[0], subjects[1], 'one person at both nodes');
});

onEach('single sign-on: silent sign-in, and logout', async () => {
  const email = await somebody();
  const person = new support.Person();
  const first = await signIn(person, email);
  const silently = async () => {
    const { address, verifier } = request({ prompt: 'none' });
    return { back: answered(await person.go(address)), verifier };
  };
  for (const _ of both) {
    const { back, verifier } = await silently();
    const again = await redeem(back.get('code'), verifier);
    assert.equal(claims(again.id_token).sid, claims(first.id_token).sid);
  }
  const left = await person.go(`${proxy.url}${base}/logout?${new URLSearchParams({ id_token_hint: first.id_token, post_logout_redirect_uri: OUT })}`);
  assert.equal(left.headers.get('location'), OUT);
  for (const _ of both) assert.equal((await silently()).back.get('error'), 'login_required');
});

test('what is changed at one node is honoured by the other within a second', async (t) => {
  let [here, there] = nodes;
  /** Waits until the other node honours the change, and lets the next change be made there. */
  const known = async (what, stale) => {
    t.diagnostic(`${what}: last not known to node ${there.name} after ${await honoured(there, stale)} ms`);
    [here, there] = [there, here];
  };
  const change = async (method, path, body, expect) => {
    const answer = await fetch(`${here.url}${support.manage(guid, path)}`, {
      method,
      headers: { authorization: `Bearer ${await support.adminToken()}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    assert.equal(answer.status, expect, text);
    return text ? JSON.parse(text) : undefined;
  };
  const revoke = async (held) => assert.equal((await ask('/revoke', { token: held }, { at: here })).status, 200);

  const seconds = 301 + randomBytes(2).readUInt16BE();
  await change('PUT', '/config/tokens', { access: { expires_in: seconds }, refresh: { enabled: true, expires_in: 86400 } }, 200);
  await known('token lifetimes', async () => (await itself({ at: there })).expires_in !== seconds);
  const elsewhere = `${CALLBACK}/${seconds}`;
  await change('PUT', '/config/redirect_uris', { redirectUris: [CALLBACK, elsewhere] }, 204);
  const { address } = request({ redirect_uri: elsewhere });
  await known('redirect URIs', async () => (await fetch(address.replace(proxy.url, there.url))).status !== 200);

  const made = await change('POST', '/applications', { name: 'passing' }, 200);
  const good = async (client) => (await ask('/token', { grant_type: 'client_credentials' }, { at: there, client })).status === 200;
  await known('a new application', async () => !(await good(made)));
  const rotated = await change('POST', `/applications/${made.clientId}/rotate_secret`, {}, 200);
  await known('a new secret', () => good(made));
  await change('DELETE', `/applications/${made.clientId}`, undefined, 204);
  await known('a deleted application', () => good(rotated));

  // One token; a sign-in with all that came of it; all that a person holds.
  const email = await somebody();
  const password = { grant_type: 'password', username: email, password: support.PASSWORD };
  const held = await token(password);
  assert.equal(await active(held.access_token, { at: there }), true);
  await revoke(held.access_token);
  await known('a revoked token', () => active(held.access_token, { at: there }));
  const renewed = await token({ grant_type: 'refresh_token', refresh_token: held.refresh_token });
  await revoke(renewed.refresh_token);
  const again = await ask('/token', { grant_type: 'refresh_token', refresh_token: renewed.refresh_token }, { at: there });
  assert.equal(again.body.error, 'invalid_grant', 'refused at once');
  await known('a revoked sign-in', () => active(renewed.access_token, { at: there }));
  const other = await token(password);
  await change('POST', '/cloud_directory/change_password', { uuid: claims(other.id_token).identities[0].id, newPassword: 'another good passphrase 7' }, 200);
  await known('a changed password', () => active(other.access_token, { at: there }));
  for (const node of nodes) assert.equal((await userInfo(other.access_token, node)).status, 401);
});

onEach('a device is let in', async () => {
  await configure('/config/oauth', { deviceAuthorization: true });
  await settled();
  const email = await somebody();
  const grant = 'urn:ietf:params:oauth:grant-type:device_code';
  const { status, body: codes } = await ask('/device_authorization', { scope: 'openid email' });
  assert.equal(status, 200, JSON.stringify(codes));
  const poll = () => ask('/token', { grant_type: grant, device_code: codes.device_code });
  assert.equal((await poll()).body.error, 'authorization_pending');
  await support.letIn(new support.Person(), codes, email);
  // Each node keeps the pace by itself.
  await pause(codes.interval * SECOND);
  const { body: tokens } = await poll();
  assert.equal(claims(tokens.id_token ?? assert.fail(JSON.stringify(tokens))).email, email);
  await pause(codes.interval * SECOND);
  assert.equal((await poll()).body.error, 'invalid_grant', 'once only');
  assert.equal((await (await userInfo(tokens.access_token)).json()).email, email);
});

onEach('tokens are exchanged, and end with the sign-in', async () => {
  const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
  const type = 'urn:ietf:params:oauth:token-type:access_token';
  const place = 'https://api.example.com';
  await configure('/config/oauth', { tokenExchange: true, resources: [place] });
  const server = await support.makeApplication(guid, 'server');
  await configure(`/applications/${server.clientId}/metadata`, { grant_types: [exchange, 'client_credentials'] });
  await settled();
  const held = await token({ grant_type: 'password', username: await somebody(), password: support.PASSWORD });
  const actor = await token({ grant_type: 'client_credentials' }, { client: server });
  const got = await token({
    grant_type: exchange, subject_token: held.access_token, subject_token_type: type, actor_token: actor.access_token, actor_token_type: type, resource: place,
  }, { client: server });
  assert.equal(got.issued_token_type, type);
  const { aud, act, sub } = claims(got.access_token);
  assert.deepEqual({ aud, act, sub }, { aud: [place], act: { sub: server.clientId }, sub: claims(held.access_token).sub });
  for (const at of nodes) assert.equal(await active(got.access_token, { at }), true);
  await ask('/revoke', { token: held.refresh_token });
  for (const at of nodes) await honoured(at, () => active(got.access_token, { at }));
});

onEach('FAPI 2.0: pushed, signed by the application, bound to its key', async () => {
  const own = await support.makeInstance('fapi');
  const put = (path, body, expect) => support.call('PUT', support.manage(own, path), { body, expect });
  await put('/config/oauth', { profile: 'fapi2', signingAlgorithm: 'ES256' }, 200);
  await support.enableRefresh(own);
  await support.makeUser(own, 'fay@example.org');
  const made = await support.makeApplication(own, 'bank');
  const pair = await oauth.generateKeyPair('ES256', { extractable: true });
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  await put(`/applications/${made.clientId}/metadata`, {
    token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty, crv, x, y, kid: 'own' }] }, redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', 'refresh_token'],
  }, 200);
  await settled();

  const issuer = new URL(`${proxy.url}/oauth/v4/${own}`);
  const client = { client_id: made.clientId };
  const prove = oauth.PrivateKeyJwt({ key: pair.privateKey, kid: 'own' });
  const options = { [oauth.allowInsecureRequests]: true, DPoP: oauth.DPoP(client, await oauth.generateKeyPair('ES256')) };
  const service = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
  const asked = new URLSearchParams({
    response_type: 'code', redirect_uri: CALLBACK, scope: 'openid email', state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const pushed = await oauth.processPushedAuthorizationResponse(service, client, await oauth.pushedAuthorizationRequest(service, client, prove, asked, options));
  const address = `${service.authorization_endpoint}?${new URLSearchParams({ ...client, request_uri: pushed.request_uri })}`;
  const person = new support.Person();
  const sent = await person.signIn(address, 'fay@example.org', support.PASSWORD);
  assert.equal((await person.go(address)).status, 400, 'a pushed request is used once');
  const answer = oauth.validateAuthResponse(service, client, new URL(sent.headers.get('location')), state);
  const response = await oauth.authorizationCodeGrantRequest(service, client, prove, answer, CALLBACK, verifier, options);
  const tokens = await oauth.processAuthorizationCodeResponse(service, client, response, { expectedNonce: nonce, requireIdToken: true });
  assert.equal(tokens.token_type, 'dpop');
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  const info = await oauth.userInfoRequest(service, client, tokens.access_token, options);
  assert.equal((await oauth.processUserInfoResponse(service, client, sub, info)).email, 'fay@example.org');
  const renewed = await oauth.processRefreshTokenResponse(service, client, await oauth.refreshTokenGrantRequest(service, client, prove, tokens.refresh_token, options));
  assert.equal(claims(renewed.access_token).cnf.jkt, claims(tokens.access_token).cnf.jkt);
  const plain = await fetch(service.userinfo_endpoint, { headers: { authorization: `Bearer ${renewed.access_token}` } });
  assert.equal(plain.status, 401, 'without its key it is nothing');
});

onEach('signed requests, pushed or not, and signed answers', async () => {
  await configure('/config/oauth', { requestObjects: 'allowed' });
  const application = await signer(support, guid);
  const email = await somebody();
  await settled();
  assert.ok((await withOpenidClient(support, application, email)).access_token);
  assert.ok((await withOpenidClient(support, application, email, { push: true })).access_token);
  assert.ok((await withOauth4webapi(support, application, email)).access_token);
});

test('a node that is killed costs nobody more than a retry', async () => {
  const email = await somebody();
  const person = new support.Person();
  const first = await signIn(person, email);
  const { access_token } = await itself();
  /** Tries once more, and no third time; answers with how many tries it took. */
  const tries = async (what) => {
    try { return [await what(), 1]; } catch { return [await what(), 2]; }
  };
  const went = (response) => {
    assert.ok(response.status < 500, `${response.status}`);
    return response;
  };
  // The page came from the node that dies, and so did the code.
  const { address, verifier } = request({ prompt: 'login' });
  proxy.next(one);
  const page = await (await person.go(address)).text();
  assert.equal(proxy.served.at(-1), 'one');
  await one.end('SIGKILL');
  proxy.next(one);
  const [sent, times] = await tries(async () => went(await person.submit(address, page, email, support.PASSWORD)));
  assert.equal(times, 2, 'the node was gone');
  proxy.next(one);
  const [tokens] = await tries(() => redeem(answered(sent).get('code'), verifier));
  assert.equal(claims(tokens.id_token).email, email);
  proxy.next(one);
  const [renewed] = await tries(() => token({ grant_type: 'refresh_token', refresh_token: first.refresh_token }));
  for (const held of [access_token, renewed.access_token]) {
    proxy.next(one);
    assert.equal((await tries(() => ask('/introspect', { token: held }).then(({ status, body }) => (went({ status }), body.active))))[0], true);
  }
  proxy.next(one);
  const silent = request({ prompt: 'none' });
  assert.ok(answered((await tries(async () => went(await person.go(silent.address))))[0]).get('code'), 'the browser is still signed in');
  await one.start();
  assert.equal(await active(renewed.access_token, { at: one }), true);
  assert.ok(answered(await person.go(request({ prompt: 'none' }).address)).get('code'));
});

test('a node that is killed under load costs nobody more than a retry', async () => {
  const emails = [];
  for (let n = 0; n < 8; n += 1) emails.push(await somebody());
  let [done, retried, renewed, over] = [0, 0, 0, false];
  /** The whole of a sign-in: what a person whose page does not load tries once more. */
  const flow = async (email) => {
    const tokens = await signIn(new support.Person(), email);
    assert.equal((await (await userInfo(tokens.access_token)).json()).email, email);
    const { access_token } = await itself();
    assert.equal(await active(access_token), true);
  };
  /** A client that has tokens and asks for new ones, again where no answer came. */
  const renewer = async (email) => {
    let held = await token({ grant_type: 'password', username: email, password: support.PASSWORD });
    while (!over) {
      const fields = { grant_type: 'refresh_token', refresh_token: held.refresh_token };
      try { held = await token(fields); } catch { retried += 1; held = await token(fields); }
      renewed += 1;
    }
    return held;
  };
  const worker = async (email) => {
    for (let n = 0; n < 5; n += 1) {
      try { await flow(email); } catch { retried += 1; await flow(email); }
      done += 1;
    }
  };
  const renewers = [];
  for (let n = 0; n < 8; n += 1) renewers.push(renewer(await somebody()));
  const workers = Promise.all(emails.map(worker));
  while (done < emails.length) await pause(5);
  // Requests under way are lost; the proxy sends the node no others.
  const gone = two.end('SIGKILL');
  proxy.nodes = [one];
  await gone;
  await workers;
  over = true;
  for (const held of await Promise.all(renewers)) assert.equal(await active(held.access_token), true);
  assert.equal(done, emails.length * 5);
  assert.ok(renewed > 50, `${renewed} refreshes`);
  assert.ok(retried <= emails.length + renewers.length, `${retried} retries`);
  proxy.nodes = nodes;
  await two.start();
  await flow(await somebody());
});
