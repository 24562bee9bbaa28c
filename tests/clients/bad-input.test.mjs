// Malformed, oversized and hostile requests: each gets its status and a body that says why, and changes nothing.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { PASSWORD, Person, adminToken, allowRedirects, call, enableRefresh, makeApplication, makeInstance, makeUser, manage, passwordGrant, url } from './support.mjs';

const NOBODY = '7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6';
const redirectUri = 'http://127.0.0.1:9/callback';
const secret = 'a secret for the journey';
const tokens = {};
let mine, theirs, app, theirApp, user, theirUser, role, theirRole, profile;

before(async () => {
  [mine, theirs] = [await makeInstance('bad input'), await makeInstance('bad input, another')];
  for (const guid of [mine, theirs]) {
    await allowRedirects(guid, [redirectUri]);
    await enableRefresh(guid);
  }
  [app, theirApp] = [await makeApplication(mine, 'app'), await makeApplication(theirs, 'app')];
  [user, theirUser] = [await makeUser(mine, 'ida@example.org'), await makeUser(theirs, 'ida@example.org')];
  // A user signs in at most 11 times a minute; tests that sign in often have one of their own.
  for (const name of ['cora', 'nils']) await makeUser(mine, `${name}@example.org`);
  [role, theirRole] = await Promise.all([mine, theirs].map((guid) => call('POST', manage(guid, '/roles'), { body: { name: 'reader', access: [] }, expect: 201 })));
  profile = (await call('POST', manage(mine, '/users'), { body: { idp: 'google', 'idp-identity': 'g-1', profile: { attributes: { kept: 1 } } }, expect: 201 })).id;
  for (const name of ['Reader', 'Writer', 'Manager']) {
    const key = await call('POST', '/v2/resource_keys', { body: { name, source: mine, role: name }, expect: 201 });
    const answer = await fetch(`${url}/identity/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'urn:ibm:params:oauth:grant-type:apikey', apikey: key.credentials.apikey }) });
    tokens[name] = (await answer.json()).access_token;
  }
});

/** Everything an administrator can see of an instance. */
async function state(guid) {
  const paths = ['/applications', '/roles', '/config/tokens', '/config/redirect_uris',
    ...['cloud_directory', 'facebook', 'google', 'custom', 'saml'].map((idp) => `/config/idps/${idp}`),
    '/cloud_directory/Users?count=100', '/users?dataScope=full&count=100', '/users/export?count=1000'];
  const seen = await Promise.all(paths.map((path) => call('GET', manage(guid, path))));
  return { ...Object.fromEntries(paths.map((path, n) => [path, seen[n]])), instance: await call('GET', `/v2/resource_instances/${guid}`) };
}

/** Sends a request as it is; answers status, parsed body and headers. */
async function send(method, path, { body, bearer, headers = {} } = {}) {
  const answer = await fetch(url + path, {
    method,
    headers: { ...(bearer === null ? {} : { authorization: `Bearer ${bearer ?? (await adminToken())}` }), 'content-type': 'application/json', ...headers },
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.match(answer.headers.get('content-type') ?? '', /json/, `${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return { status: answer.status, body: JSON.parse(text), headers: answer.headers };
}

/** What a body says is wrong, in whichever dialect. */
const reason = (body) => body.error_description ?? body.detail ?? body.errors?.[0]?.message ?? body.errorMessage;

/** Each request is refused as it should be, in words, and afterwards both instances are what they were. */
function refused(name, requests) {
  test(name, async () => {
    const held = [await state(mine), await state(theirs)];
    for (const [status, method, path, options] of requests()) {
      const answer = await send(method, path, options);
      const what = `${method} ${path} ${String(JSON.stringify(options?.body)).slice(0, 120)}`;
      assert.equal(answer.status, status, `${what}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`);
      assert.ok(reason(answer.body)?.length > 5, `${what}: ${JSON.stringify(answer.body)} says why`);
    }
    assert.deepEqual([await state(mine), await state(theirs)], held, 'nothing changed');
  });
}

/** Every call that changes something, with a body it would take. */
const changes = (guid, more = {}) => [
  ['POST', manage(guid, '/applications'), { name: 'new' }],
  ['PUT', manage(guid, `/applications/${more.app ?? app.clientId}`), { name: 'renamed' }],
  ['PUT', manage(guid, `/applications/${more.app ?? app.clientId}/scopes`), { scopes: ['a.b'] }],
  ['POST', manage(guid, '/roles'), { name: 'new', access: [] }],
  ['PUT', manage(guid, `/roles/${more.role ?? role.id}`), { name: 'renamed', access: [] }],
  ['PUT', manage(guid, '/config/tokens'), { access: { expires_in: 600 } }],
  ['PUT', manage(guid, '/config/redirect_uris'), { redirectUris: ['https://other.example.org/'] }],
  ['PUT', manage(guid, '/config/idps/facebook'), { isActive: true, config: { idpId: 'x', secret: 'y' } }],
  ['PUT', manage(guid, '/config/idps/cloud_directory'), { isActive: false, config: {} }],
  ['POST', manage(guid, '/cloud_directory/Users'), { emails: [{ value: 'new@example.org', primary: true }], password: PASSWORD }],
  ['PUT', manage(guid, `/cloud_directory/Users/${more.user ?? user.id}`), { emails: [{ value: 'ida@example.org', primary: true }], displayName: 'Changed' }],
  ['POST', manage(guid, '/users'), { idp: 'google', 'idp-identity': 'g-2' }],
  ['POST', manage(guid, '/cloud_directory/bulk_remove'), { ids: [more.user ?? user.id] }],
];

refused('broken JSON', () => changes(mine).flatMap(([method, path, body]) => {
  const text = JSON.stringify(body);
  return [[400, method, path, { body: text.slice(0, -1) }], [400, method, path, { body: `${text}}` }], [400, method, path, { body: '' }], [400, method, path, { body: '\u0000' }]];
}));

refused('bodies that are no objects', () => changes(mine).flatMap(([method, path]) => ['[]', 'null', '"text"', '7', 'true'].map((body) => [400, method, path, { body }])));

refused('wrong types', () => [
  [400, 'POST', manage(mine, '/applications'), { body: { name: 7 } }],
  [400, 'POST', manage(mine, '/applications'), { body: { name: 'new', type: 'teapot' } }],
  [400, 'POST', manage(mine, '/applications'), { body: { name: '' } }],
  [400, 'POST', manage(mine, '/applications'), { body: { name: 'x'.repeat(51) } }],
  [400, 'PUT', manage(mine, `/applications/${app.clientId}/scopes`), { body: { scopes: 'cart.read' } }],
  [400, 'PUT', manage(mine, `/applications/${app.clientId}/scopes`), { body: { scopes: ['Upper Case'] } }],
  [400, 'PUT', manage(mine, `/applications/${app.clientId}/scopes`), { body: { scopes: ['appid_default'] } }],
  [400, 'POST', manage(mine, '/roles'), { body: { name: 'new', access: {} } }],
  [400, 'POST', manage(mine, '/roles'), { body: { name: 'new', access: [{ application_id: NOBODY, scopes: ['a'] }] } }],
  [400, 'PUT', manage(mine, '/config/tokens'), { body: { access: { expires_in: 'long' } } }],
  [400, 'PUT', manage(mine, '/config/tokens'), { body: { access: { expires_in: 299 } } }],
  [400, 'PUT', manage(mine, '/config/tokens'), { body: { refresh: { enabled: true, expires_in: 7776001 } } }],
  [400, 'PUT', manage(mine, '/config/idps/facebook'), { body: { isActive: 'perhaps' } }],
  [400, 'PUT', manage(mine, '/config/idps/google'), { body: { isActive: true, config: { idpId: 7, secret: {} } } }],
  [400, 'PUT', manage(mine, '/config/idps/custom'), { body: { isActive: true, config: { publicKey: 'no key' } } }],
  [400, 'PUT', manage(mine, '/config/idps/saml'), { body: { isActive: true, config: { entityID: 'x', signInUrl: 'no url', certificates: ['none'] } } }],
  [400, 'POST', manage(mine, '/cloud_directory/Users'), { body: { emails: 'new@example.org', password: PASSWORD } }],
  [400, 'POST', manage(mine, '/cloud_directory/Users'), { body: { emails: [{ value: 'no address', primary: true }], password: PASSWORD } }],
  [400, 'POST', manage(mine, '/cloud_directory/Users'), { body: { password: PASSWORD } }],
  [400, 'POST', manage(mine, '/cloud_directory/Users'), { body: { emails: [{ value: 'new@example.org', primary: true }], password: 7 } }],
  [409, 'POST', manage(mine, '/cloud_directory/Users'), { body: { emails: [{ value: 'IDA@example.org', primary: true }], password: PASSWORD } }],
  [400, 'PUT', manage(mine, `/users/${profile}/profile`), { body: { attributes: [] } }],
  [400, 'POST', manage(mine, '/cloud_directory/bulk_remove'), { body: { ids: user.id } }],
  [400, 'POST', manage(mine, '/cloud_directory/bulk_remove'), { body: { ids: Array.from({ length: 101 }, () => NOBODY) } }],
  [400, 'GET', manage(mine, '/users/export?startIndex=-1')],
  [400, 'GET', manage(mine, '/users/export?count=many')],
]);

refused('redirect URIs that must not be allowed', () => [
  'javascript:alert(1)', 'data:text/html,x', 'ftp://app.example.org/', '/relative', 'app.example.org', 'https://', 'https://*', 'https://*.example.org/',
  'https://app.example.org/a*b', 'https://app.example.org/#fragment', 'https://user:password@app.example.org/', 'https://app.example.org/\r\nx', 7, null,
].map((uri) => [400, 'PUT', manage(mine, '/config/redirect_uris'), { body: { redirectUris: [redirectUri, uri] } }]));

refused('unknown instances, and ids of another instance', () => [
  ...['/applications', '/roles', '/config/tokens', '/cloud_directory/Users', '/users', '/users/export'].flatMap((path) => [
    [404, 'GET', manage(NOBODY, path)], [404, 'GET', manage('no-guid', path)],
  ]),
  ...changes(NOBODY).map(([method, path, body]) => [404, method, path, { body }]),
  [404, 'GET', manage(mine, `/applications/${theirApp.clientId}`)],
  [404, 'PUT', manage(mine, `/applications/${theirApp.clientId}`), { body: { name: 'taken' } }],
  [404, 'DELETE', manage(mine, `/applications/${theirApp.clientId}`)],
  [404, 'GET', manage(mine, `/applications/${theirApp.clientId}/scopes`)],
  [404, 'GET', manage(mine, `/roles/${theirRole.id}`)],
  [404, 'PUT', manage(mine, `/roles/${theirRole.id}`), { body: { name: 'taken', access: [] } }],
  [404, 'DELETE', manage(mine, `/roles/${theirRole.id}`)],
  [400, 'POST', manage(mine, '/roles'), { body: { name: 'new', access: [{ application_id: theirApp.clientId, scopes: ['a'] }] } }],
  [404, 'GET', manage(mine, `/cloud_directory/Users/${theirUser.id}`)],
  [404, 'PUT', manage(mine, `/cloud_directory/Users/${theirUser.id}`), { body: { emails: [{ value: 'x@example.org', primary: true }] } }],
  [404, 'DELETE', manage(mine, `/cloud_directory/Users/${theirUser.id}`)],
  [404, 'DELETE', manage(theirs, `/users/${profile}`)],
  [404, 'PUT', manage(theirs, `/users/${profile}/profile`), { body: { attributes: { taken: true } } }],
  [404, 'PUT', manage(theirs, `/users/${profile}/roles`), { body: { roles: { ids: [] } } }],
  [400, 'PUT', manage(mine, `/users/${profile}/roles`), { body: { roles: { ids: [theirRole.id] } } }],
  [404, 'POST', manage(mine, '/config/duplicate'), { body: { sourceTenantId: NOBODY } }],
]);

test('nobody, nonsense and tokens of the wrong kind', async () => {
  const { body: person } = await passwordGrant(mine, app, 'ida@example.org', PASSWORD);
  const held = [await state(mine), await state(theirs)];
  const forged = (await adminToken()).split('.').with(2, randomBytes(256).toString('base64url')).join('.');
  const unsigned = [Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url'), (await adminToken()).split('.')[1], ''].join('.');
  for (const bearer of [null, 'nonsense', '', forged, unsigned, person.access_token, person.id_token]) {
    for (const [method, path, body] of [...changes(mine), ['GET', manage(mine, '/users/export')], ['GET', manage(NOBODY, '/applications')]]) {
      const answer = await send(method, path, { body, bearer });
      assert.equal(answer.status, 401, `${method} ${path} with ${String(bearer).slice(0, 20)}: ${JSON.stringify(answer.body)}`);
      assert.ok(reason(answer.body)?.length > 5);
    }
  }
  // A platform token opens no user's attributes, and a person's token none of another instance.
  for (const bearer of [await adminToken(), tokens.Manager]) {
    assert.equal((await send('GET', '/api/v1/attributes', { bearer })).status, 401);
    assert.equal((await send('GET', `/oauth/v4/${mine}/userinfo`, { bearer })).status, 401);
  }
  assert.equal((await send('GET', `/oauth/v4/${mine}/userinfo`, { bearer: person.access_token })).status, 200);
  assert.equal((await send('GET', `/oauth/v4/${theirs}/userinfo`, { bearer: person.access_token })).status, 401);
  const introspect = async (guid, client) => (await send('POST', `/oauth/v4/${guid}/introspect`, {
    bearer: null, body: new URLSearchParams({ token: person.access_token }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from(`${client.clientId}:${client.secret}`).toString('base64')}` },
  })).body.active;
  assert.deepEqual([await introspect(mine, app), await introspect(theirs, theirApp)], [true, false]);
  assert.deepEqual([await state(mine), await state(theirs)], held);
});

test('a Reader that writes, a Writer that exports, and whoever goes to another instance', async () => {
  const held = [await state(mine), await state(theirs)];
  const moves = [['GET', manage(mine, '/users/export')], ['POST', manage(mine, '/users/import'), { users: [] }],
    ['GET', manage(mine, `/cloud_directory/export?encryption_secret=${encodeURIComponent(secret)}`)],
    ['POST', manage(mine, `/cloud_directory/import?encryption_secret=${encodeURIComponent(secret)}`), { users: [] }],
    ['POST', manage(mine, '/config/duplicate'), { sourceTenantId: mine }]];
  assert.equal((await send('GET', manage(mine, '/cloud_directory/Users'), { bearer: tokens.Reader })).status, 200);
  for (const [bearer, requests, status] of [
    [tokens.Reader, [...changes(mine), ...moves], 403],
    [tokens.Writer, moves, 403],
    [tokens.Manager, [...changes(theirs, { app: theirApp.clientId, role: theirRole.id, user: theirUser.id }), ['GET', manage(theirs, '/users/export')]], 404],
    // Manager of the target, nobody at the source.
    [tokens.Manager, [['POST', manage(mine, '/config/duplicate'), { sourceTenantId: theirs }]], 404],
  ]) {
    for (const [method, path, body] of requests) {
      const answer = await send(method, path, { body, bearer });
      assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
      assert.ok(reason(answer.body)?.length > 5);
    }
  }
  assert.deepEqual([await state(mine), await state(theirs)], held);
});

test('profiles past 100 KB, and bodies past the limit', async () => {
  const { body: person } = await passwordGrant(mine, app, 'ida@example.org', PASSWORD);
  const held = [await state(mine), await state(theirs)];
  const big = { attributes: { big: 'x'.repeat(100_001) } };
  for (const [statuses, method, path, body] of [
    [[400, 413], 'PUT', manage(mine, `/users/${profile}/profile`), big],
    [[400, 413], 'POST', manage(mine, '/users'), { idp: 'google', 'idp-identity': 'g-3', profile: big }],
    [[413], 'PUT', manage(mine, `/users/${profile}/profile`), { attributes: { big: 'x'.repeat(2 << 20) } }],
    [[413], 'POST', manage(mine, '/applications'), { name: 'x'.repeat(8 << 20) }],
    [[413], 'POST', '/v2/resource_instances', { name: 'x'.repeat(8 << 20) }],
    [[413], 'POST', manage(mine, '/users/import'), { users: [], padding: 'x'.repeat((64 << 20) + 1) }],
  ]) {
    const answer = await send(method, path, { body });
    assert.ok(statuses.includes(answer.status), `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    assert.ok(reason(answer.body)?.length > 5);
  }
  // A person's own attributes are bounded too.
  const before = await send('GET', '/api/v1/attributes', { bearer: person.access_token });
  const own = await send('PUT', '/api/v1/attributes/big', { bearer: person.access_token, body: JSON.stringify('x'.repeat(100_001)) });
  assert.ok([400, 413].includes(own.status), `${own.status} ${JSON.stringify(own.body)}`);
  assert.deepEqual((await send('GET', '/api/v1/attributes', { bearer: person.access_token })).body, before.body);
  // An import says which record is too large, and takes the others.
  const target = await makeInstance('large profiles');
  const record = (n, attributes) => ({ id: `old-${n}`, identities: [{ provider: 'google', id: `g-${n}`, idpUserInfo: {} }], attributes });
  const got = await call('POST', manage(target, '/users/import'), { body: { users: [record(0, {}), record(1, big.attributes), record(2, { n: 2 })] } });
  assert.deepEqual([got.added, got.failed], [2, 1]);
  assert.equal(got.failReasons[0].originalId, 'old-1');
  assert.equal(got.failReasons[0].idp, 'google');
  assert.ok(got.failReasons[0].error);
  assert.deepEqual((await call('GET', manage(target, '/users/export'))).users.map((one) => one.identities[0].id).sort(), ['g-0', 'g-2']);
  assert.deepEqual([await state(mine), await state(theirs)], held);
});

/** What is in an instance after an import, by provider id or e-mail. */
const federated = async (guid) => (await call('GET', manage(guid, '/users/export?count=1000'))).users.map((one) => one.identities[0].id).sort();
const directory = async (guid) => (await call('GET', manage(guid, '/cloud_directory/Users?count=100'))).Resources.map((one) => one.emails[0].value).sort();
const importing = (guid, path, body) => send('POST', manage(guid, path), { body, headers: { 'X-Vestibule-Encryption-Secret': secret } });

test('imports of federated users that are broken, or half good', async () => {
  const target = await makeInstance('bad import');
  await call('POST', manage(target, '/roles'), { body: { name: 'known', access: [] }, expect: 201 });
  const record = (n, more = {}) => ({ id: `old-${n}`, name: `N ${n}`, identities: [{ provider: 'google', id: `g-${n}`, idpUserInfo: { n } }], attributes: { n }, roles: [], ...more });
  const whole = JSON.stringify({ users: Array.from({ length: 500 }, (_, n) => record(n)) });
  for (const body of [whole.slice(0, -1), whole.slice(0, whole.length >> 1), `${whole}x`, '{"users":7}', '{"users":{}}', '{}', '[]x', 'null', '', JSON.stringify({ user: [record(1)] })]) {
    const answer = await importing(target, '/users/import', body);
    assert.equal(answer.status, 400, `${body.slice(0, 40)}… ${JSON.stringify(answer.body)}`);
    assert.ok(reason(answer.body)?.length > 5);
    assert.deepEqual(await federated(target), [], 'nothing of a file that breaks off is imported');
  }
  const mixed = [record(1), record(2, { roles: ['unknown'] }), record(3, { roles: ['known'] }), record(1, { id: 'old-1b' }), record(4, { identities: [] }),
    record(5, { identities: 7 }), record(6, { attributes: [] }), 7, null, record(7, { identities: [{ provider: 'google' }] }), record(8, { identities: [{ provider: 'martian', id: 'm' }] }), record(9)];
  const got = await call('POST', manage(target, '/users/import'), { body: { users: mixed } });
  const there = await federated(target);
  assert.equal(got.added, there.length, 'what the answer says is what is there');
  assert.equal(got.added + got.failed, mixed.length);
  assert.equal(got.failReasons.length, got.failed);
  for (const wanted of ['g-1', 'g-3', 'g-9']) assert.ok(there.includes(wanted), wanted);
  for (const unwanted of ['g-2', 'g-4', 'g-5', 'g-6', 'g-7']) assert.ok(!there.includes(unwanted), unwanted);
  assert.equal(there.filter((id) => id === 'g-1').length, 1, 'nobody twice');
  const why = (id) => JSON.stringify(got.failReasons.find((one) => one.originalId === id)?.error);
  assert.match(why('old-2'), /unknown/);
  assert.match(why('old-1b'), /same user|duplicate/);

  // Users who are there already stay as they are, unless the caller says otherwise.
  const exported = (await call('GET', manage(target, '/users/export?count=1000'))).users;
  const again = await call('POST', manage(target, '/users/import'), { body: { users: [record(1, { name: 'Changed', attributes: { n: 'changed' } }), record(10)] } });
  assert.deepEqual([again.added, again.failed, again.failReasons[0].originalId], [1, 1, 'old-1']);
  const now = (await call('GET', manage(target, '/users/export?count=1000'))).users;
  assert.deepEqual(now.filter((one) => one.identities[0].id !== 'g-10'), exported);
  assert.equal((await importing(target, '/users/import?on_conflict=perhaps', JSON.stringify({ users: [record(1)] }))).status, 400);
});

test('imports of directory users that are broken, half good, or sealed with another secret', async () => {
  const [source, target] = [await makeInstance('bad directory source'), await makeInstance('bad directory import')];
  for (const n of [1, 2, 3]) await makeUser(source, `d${n}@example.org`);
  const out = (guid, key) => call('GET', manage(guid, '/cloud_directory/export'), { headers: { 'X-Vestibule-Encryption-Secret': key } });
  const { users } = await out(source, secret);
  assert.equal(users.length, 3);
  const send2 = (key, body, query = '') => send('POST', manage(target, `/cloud_directory/import${query}`), { body, headers: key ? { 'X-Vestibule-Encryption-Secret': key } : {} });
  assert.equal((await send2(null, { users })).status, 400, 'a secret is needed');
  assert.equal((await send('GET', manage(source, '/cloud_directory/export'))).status, 400);
  const text = JSON.stringify({ users });
  for (const [key, body] of [['another secret', { users }], [secret, text.slice(0, -2)], [secret, text.slice(0, text.length >> 1)], [secret, { users: 7 }], [secret, 'null']]) {
    const answer = await send2(key, body);
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
    assert.ok(reason(answer.body)?.length > 5);
    assert.ok(!JSON.stringify(answer.body).includes(key), 'no secret is said back');
    assert.deepEqual(await directory(target), []);
  }
  const damaged = structuredClone(users);
  const middle = damaged[1].passwordHash.length >> 1;
  damaged[1].passwordHash = damaged[1].passwordHash.slice(0, middle) + (damaged[1].passwordHash[middle] === 'A' ? 'B' : 'A') + damaged[1].passwordHash.slice(middle + 1);
  const foreign = { ...users[2], scimUser: { ...users[2].scimUser, emails: [{ value: 'foreign@example.org', primary: true }] }, passwordHash: randomBytes(128).toString('base64'), passwordHashAlg: 'PBKDF2WithHmacSHA512' };
  const hostile = { ...users[2], scimUser: { ...users[2].scimUser, emails: [{ value: 'hostile@example.org', primary: true }] }, passwordHash: `$argon2id$v=19$m=4194304,t=1000,p=1$${Buffer.alloc(16).toString('base64').replace(/=+$/, '')}$${Buffer.alloc(32).toString('base64').replace(/=+$/, '')}`, passwordHashAlg: 'Argon2id' };
  const strange = { ...users[2], scimUser: { ...users[2].scimUser, emails: [{ value: 'strange@example.org', primary: true }] }, passwordHash: 'd41d8cd98f00b204e9800998ecf8427e', passwordHashAlg: 'ROT13' };
  const file = [users[0], damaged[1], users[2], { ...users[0] }, foreign, hostile, strange, { ...users[1], scimUser: { ...users[1].scimUser, emails: [{ value: 'roles@example.org', primary: true }] }, roles: ['unknown'] }];
  const got = await send2(secret, { users: file });
  assert.equal(got.status, 200, JSON.stringify(got.body));
  assert.deepEqual(await directory(target), ['d1@example.org', 'd3@example.org']);
  assert.deepEqual([got.body.added, got.body.failed, got.body.failReasons.length], [2, 6, 6]);
  for (const one of got.body.failReasons) assert.ok(one.email && one.error, JSON.stringify(one));
  const codes = got.body.failReasons.map((one) => JSON.stringify(one.error));
  assert.equal(new Set(codes.map((code) => code.slice(0, 30))).size >= 4, true, `damage, foreign text, cost and duplicates are told apart: ${codes}`);

  // The whole file again: everybody is there, nobody is changed, and the next one is added.
  const held = await state(target);
  const again = await send2(secret, { users: [users[0], users[2]] });
  assert.deepEqual([again.body.added, again.body.failed], [0, 2]);
  assert.deepEqual(await state(target), held);
  const client = await makeApplication(target, 'app');
  assert.equal((await passwordGrant(target, client, 'd3@example.org', PASSWORD)).status, 200);
});

/** A code for cora, with the verifier it was asked for. */
async function code(verifier) {
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const address = `${url}/oauth/v4/${mine}/authorization?${new URLSearchParams({ response_type: 'code', client_id: app.clientId, redirect_uri: redirectUri, scope: 'openid', state: 's', code_challenge: challenge, code_challenge_method: 'S256' })}`;
  const sent = await new Person().signIn(address, 'cora@example.org', PASSWORD);
  return new URL(sent.headers.get('location')).searchParams.get('code');
}

const redeem = (fields, client = app, guid = mine) => send('POST', `/oauth/v4/${guid}/token`, {
  bearer: null, body: new URLSearchParams({ grant_type: 'authorization_code', redirect_uri: redirectUri, ...fields }).toString(),
  headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from(`${client.clientId}:${client.secret}`).toString('base64')}` },
});

test('codes: replayed, stolen, and with a verifier that does not match', async () => {
  const verifier = randomBytes(32).toString('base64url');
  const good = { code: await code(verifier), code_verifier: verifier };
  const first = await redeem(good);
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const replayed = await redeem(good);
  assert.deepEqual([replayed.status, replayed.body.error], [400, 'invalid_grant']);
  const refresh = await redeem({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token });
  assert.deepEqual([refresh.status, refresh.body.error], [400, 'invalid_grant'], 'a replayed code takes its tokens with it');

  const second = await makeApplication(mine, 'second');
  for (const attempt of [
    (held) => redeem({ ...held, code_verifier: randomBytes(32).toString('base64url') }),
    (held) => redeem({ code: held.code }),
    (held) => redeem({ ...held, redirect_uri: `${redirectUri}/other` }),
    (held) => redeem(held, second),
    (held) => redeem(held, theirApp, theirs),
    (held) => redeem({ ...held, code: `${held.code}x` }),
    (held) => redeem({ ...held, code: '' }),
  ]) {
    const answer = await attempt({ code: await code(verifier), code_verifier: verifier });
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
    assert.ok(['invalid_grant', 'invalid_request'].includes(answer.body.error), JSON.stringify(answer.body));
    assert.ok(reason(answer.body)?.length > 5);
    assert.equal(answer.body.access_token, undefined);
  }
});

test('refresh tokens: an old one revokes its family', async () => {
  const { body } = await passwordGrant(mine, app, 'ida@example.org', PASSWORD);
  const next = await redeem({ grant_type: 'refresh_token', refresh_token: body.refresh_token });
  assert.equal(next.status, 200);
  // Whoever uses the next one had the answer: the one before it is not asked for again.
  const child = await redeem({ grant_type: 'refresh_token', refresh_token: next.body.refresh_token });
  assert.equal(child.status, 200);
  const reused = await redeem({ grant_type: 'refresh_token', refresh_token: body.refresh_token });
  assert.deepEqual([reused.status, reused.body.error], [400, 'invalid_grant']);
  const last = await redeem({ grant_type: 'refresh_token', refresh_token: child.body.refresh_token });
  assert.deepEqual([last.status, last.body.error], [400, 'invalid_grant']);
});

test('token requests that are wrong', async () => {
  const wrongSecret = { ...app, secret: Buffer.from(NOBODY).toString('base64') };
  for (const [status, error, fields, client, guid] of [
    [401, 'invalid_client', { grant_type: 'client_credentials' }, wrongSecret],
    [401, 'invalid_client', { grant_type: 'client_credentials' }, { clientId: NOBODY, secret: app.secret }],
    [401, 'invalid_client', { grant_type: 'client_credentials' }, app, undefined, theirs],
    [400, 'unsupported_grant_type', { grant_type: 'magic' }],
    [400, 'invalid_request', { grant_type: '' }],
    [400, 'invalid_grant', { grant_type: 'password', username: 'nils@example.org', password: 'wrong' }],
    [400, 'invalid_grant', { grant_type: 'password', username: 'nobody@example.org', password: 'wrong' }],
    [400, 'invalid_grant', { grant_type: 'refresh_token', refresh_token: 'nonsense' }],
  ].map(([status, error, fields, client = app, _, guid = mine]) => [status, error, fields, client, guid])) {
    const answer = await redeem(fields, client, guid);
    assert.deepEqual([answer.status, answer.body.error], [status, error], JSON.stringify([fields, answer.body]));
    for (const value of Object.values(answer.body)) assert.equal(typeof value, 'string', 'iOS reads strings only');
  }
  // The answers for a wrong password and for nobody are the same, byte for byte.
  const [wrong, nobody] = await Promise.all(['nils@example.org', 'nobody@example.org'].map((username) => passwordGrant(mine, app, username, 'wrong')));
  assert.deepEqual(wrong, nobody);
});

test('authorization requests that must not redirect', async () => {
  const base = { response_type: 'code', client_id: app.clientId, redirect_uri: redirectUri, scope: 'openid', state: 's' };
  for (const wrong of [{ redirect_uri: 'https://evil.example.org/' }, { redirect_uri: '' }, { client_id: NOBODY }, { client_id: theirApp.clientId }, { client_id: '' }]) {
    const answer = await fetch(`${url}/oauth/v4/${mine}/authorization?${new URLSearchParams({ ...base, ...wrong })}`, { redirect: 'manual' });
    assert.ok(answer.status >= 400 && answer.status < 500, `${JSON.stringify(wrong)}: ${answer.status}`);
    assert.equal(answer.headers.get('location'), null, 'nothing is sent to an address that is not the application\'s');
    assert.ok(!(await answer.text()).includes('<script'), 'no markup of the request is played back');
  }
  for (const [wrong, error] of [[{ response_type: 'token' }, 'unsupported_response_type'], [{ code_challenge: 'x', code_challenge_method: 'plain' }, 'invalid_request']]) {
    const answer = await fetch(`${url}/oauth/v4/${mine}/authorization?${new URLSearchParams({ ...base, ...wrong })}`, { redirect: 'manual' });
    assert.equal(answer.status, 302, JSON.stringify(wrong));
    const back = new URL(answer.headers.get('location'));
    assert.deepEqual([back.origin + back.pathname, back.searchParams.get('error'), back.searchParams.get('state')], [redirectUri, error, 's']);
  }
  const hostile = await fetch(`${url}/oauth/v4/${mine}/authorization?${new URLSearchParams({ ...base, state: '"><script>alert(1)</script>', language: '"><script>' })}`);
  assert.ok(!(await hostile.text()).includes('<script>alert'), 'what the request holds is escaped');
});

test('too many attempts are throttled, whether the account exists or not', async () => {
  const guid = await makeInstance('throttled');
  const client = await makeApplication(guid, 'app');
  await makeUser(guid, 'target@example.org');
  const outcomes = async (username) => {
    const seen = [];
    for (let n = 0; n < 13; n += 1) seen.push((await passwordGrant(guid, client, username, 'wrong')).status);
    return seen;
  };
  const there = await outcomes('target@example.org');
  assert.equal(there.at(0), 400);
  assert.equal(there.at(-1), 429, String(there));
  assert.deepEqual(await outcomes('absent@example.org'), there);
  const held = await passwordGrant(guid, client, 'target@example.org', PASSWORD);
  assert.equal(held.status, 429, 'the right password does not help while the account is blocked');
  assert.equal(held.body.error_code, 'too many requests');
});
