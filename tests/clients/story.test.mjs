// The founding document, end to end: its two curl commands as printed, a thousand users moved with their passwords, and a split.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { pbkdf2Sync, randomBytes, createHash, scryptSync } from 'node:crypto';
import { createServer } from 'node:http';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { argon2id, bcrypt } from 'hash-wasm';
import { Person, adminToken, allowRedirects, browser, call, makeApplication, makeInstance, makeUser, manage, passwordGrant, url } from './support.mjs';

// As printed in the document, line breaks and escapes included.
const EXPORT = String.raw`curl -X GET https://us-south.appid.cloud.ibm.com/management/v4/{tenant-ID}/users/export \
--header "Accept: application/json" \
--header "Authorization: Bearer {IAM-token}"`;
const IMPORT = String.raw`curl -X POST "https://{region}.appid.cloud.ibm.com/management/v4/{tenant-ID}/users/import" \
-H "accept: application/json" \
-H "Authorization: Bearer {Bearer_Token}" \
-H "Content-Type: application/json" \
-d "{ \"itemsPerPage\": 2, \"totalResults\": 2, \"requestOptions\": {}, \"users\": [ { \"id\": \"7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6\", \"name\": \"App ID Google User profile\", \"email\": \"your@mail.com\", \"identities\": [ { \"provider\": \"google\", \"id\": \"105646725068605084546\", \"idpUserInfo\": { \"id\": \"{ID}\", \"email\": \"your@mail.com\", \"picture\": \"{profile.jpg}\" } } ], \"attributes\": { \"points\": 150 } }, { \"id\": \"{userinfo}\", \"name\": \"App ID Facebook User profile\", \"email\": \"mail@mail.com\", \"identities\": [ { \"provider\": \"facebook\", \"id\": \"{id}\", \"picture\": { \"data\": { \"height\": 50, \"width\": 50, \"url\": \"https://{url}.com\" } }, \"first_name\": \"AppID\", \"last_name\": \"Development\" } ], \"attributes\": { \"points\": 250 } } ]}"`;

/** Runs a command of the document in a shell, with only host, tenant and token filled in. */
async function printed(command, guid) {
  const filled = command.replace(/https:\/\/[^/]*/, url).replace('{tenant-ID}', guid).replace(/Bearer \{[^}]*\}/, `Bearer ${await adminToken()}`);
  return JSON.parse(execFileSync('bash', ['-c', filled], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
}

test('the two curl commands of the founding document', async () => {
  const [source, target] = [await makeInstance('curl-source', 'us-south'), await makeInstance('curl-target', 'eu-de')];
  const body = JSON.parse(IMPORT.match(/-d "([^]*)"$/)[1].replaceAll('\\"', '"'));
  assert.equal(body.users[0].identities[0].idpUserInfo.picture, '{profile.jpg}', 'placeholder values are kept');
  const importInto = (guid, users) => call('POST', manage(guid, '/users/import'), { body: users });
  const exportFrom = (guid) => printed(EXPORT, guid);
  const imported = await printed(IMPORT, source);
  assert.deepEqual([imported.added, imported.failed], [2, 0], JSON.stringify(imported));
  const exported = await exportFrom(source);
  const sent = body;
  assert.equal(exported.totalResults, 2);
  assert.equal(exported.itemsPerPage, 2);
  assert.deepEqual(exported.requestOptions, {});
  for (const user of sent.users) {
    const found = exported.users.find((other) => other.email === user.email);
    assert.deepEqual(found.identities, user.identities, 'field for field');
    assert.deepEqual(found.attributes, user.attributes);
    assert.equal(found.name, user.name);
  }
  // The whole export object goes into the new instance, and comes out the same.
  const moved = await importInto(target, exported);
  assert.deepEqual([moved.added, moved.failed], [2, 0], JSON.stringify(moved));
  assert.deepEqual((await exportFrom(target)).users, exported.users);
  // Once more: everybody is there already, and nothing changes.
  const again = await importInto(target, exported);
  assert.deepEqual([again.added, again.failed, again.failReasons.length], [0, 2, 2]);
  assert.deepEqual((await exportFrom(target)).users, exported.users);
});

const b64 = (bytes) => bytes.toString('base64').replace(/=+$/, '');

/** Password hashes as other systems write them. */
const notations = [
  (password) => { const salt = randomBytes(16); return ['PBKDF2WithHmacSHA512', `$pbkdf2-sha512$i=1000$${b64(salt)}$${b64(pbkdf2Sync(password, salt, 1000, 64, 'sha512'))}`]; },
  (password) => { const salt = randomBytes(16); return ['PBKDF2WithHmacSHA256', `$pbkdf2-sha256$1000$${b64(salt).replaceAll('+', '.')}$${b64(pbkdf2Sync(password, salt, 1000, 32, 'sha256')).replaceAll('+', '.')}`]; },
  (password) => { const salt = randomBytes(8).toString('hex'); return ['PBKDF2', `pbkdf2_sha256$1000$${salt}$${pbkdf2Sync(password, salt, 1000, 32, 'sha256').toString('base64')}`]; },
  (password) => { const salt = randomBytes(16); return ['SCRYPT', `$scrypt$ln=10,r=8,p=1$${b64(salt)}$${b64(scryptSync(password, salt, 32, { N: 1024, r: 8, p: 1 }))}`]; },
  (password) => { const salt = randomBytes(8); return ['SSHA512', `{SSHA512}${Buffer.concat([createHash('sha512').update(password).update(salt).digest(), salt]).toString('base64')}`]; },
  async (password) => ['BCRYPT', await bcrypt({ password, salt: randomBytes(16), costFactor: 4, outputType: 'encoded' })],
  async (password) => ['Argon2id', await argon2id({ password, salt: randomBytes(16), parallelism: 1, iterations: 1, memorySize: 1024, hashLength: 32, outputType: 'encoded' })],
];

// Where applications are sent back to.
const site = createServer((_, answer) => answer.end('signed in')).listen(0, '127.0.0.1');
await new Promise((ready) => site.on('listening', ready));
after(() => { site.close(); site.closeAllConnections(); });
const CALLBACK = `http://127.0.0.1:${site.address().port}/callback`;

const N = 1000;
const MADE_HERE = 50;
const fixture = (name) => readFileSync(new URL(`../../crates/web/tests/http/fixtures/${name}`, import.meta.url), 'utf8');
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
const email = (n) => `person${n}@example.org`;
const password = (n) => `the password of ${n}`;

test('a thousand users move with passwords, roles and attributes', { timeout: 900_000 }, async () => {
  const [source, target] = [await makeInstance('source', 'us-south'), await makeInstance('target', 'eu-de')];
  const app = await makeApplication(source, 'shop');
  await call('PUT', manage(source, `/applications/${app.clientId}/scopes`), { body: { scopes: ['cart.read', 'cart.write'] } });
  await call('POST', manage(source, '/roles'), { body: { name: 'buyer', access: [{ application_id: app.clientId, scopes: ['cart.read', 'cart.write'] }] }, expect: 201 });
  // Every family of configuration gets a value of its own.
  await call('PUT', manage(source, '/config/idps/facebook'), { body: { isActive: true, config: { idpId: 'fb-id', secret: 'fb-secret' } } });
  await call('PUT', manage(source, '/config/idps/google'), { body: { isActive: true, config: { idpId: 'g-id', secret: 'g-secret' } } });
  await call('PUT', manage(source, '/config/idps/custom'), { body: { isActive: true, config: { publicKey: fixture('public-rsa-2048.pem') } } });
  await call('PUT', manage(source, '/config/idps/saml'), { body: { isActive: true, config: { entityID: 'urn:idp', signInUrl: 'https://idp.example.org/sso', certificates: [fixture('certificate-rsa-2048.pem')], displayName: 'Staff' } } });
  await call('PUT', manage(source, '/config/tokens'), { body: { access: { expires_in: 1800 }, refresh: { enabled: true, expires_in: 86400 } } });
  await allowRedirects(source, [CALLBACK]);
  await call('PUT', manage(source, '/config/idps/cloud_directory'), { body: { isActive: true, config: { selfServiceEnabled: true, signupEnabled: false, interactions: { identityConfirmation: { accessMode: 'RESTRICTIVE', methods: ['email'] }, welcomeEnabled: false, resetPasswordEnabled: true, resetPasswordNotificationEnable: true }, identityField: 'email' } } });

  // Most come with hashes of other systems, in the notations those write; the last ones are made here with a password, sign in, and
  // get their attributes and roles then.
  const users = [];
  for (let n = 0; n < N - MADE_HERE; n += 1) {
    const [passwordHashAlg, passwordHash] = await notations[n % notations.length](password(n));
    users.push({
      scimUser: { originalId: `old-${n}`, displayName: `Person ${n}`, emails: [{ value: email(n), primary: true }], active: true, status: 'CONFIRMED', name: { givenName: 'Person', familyName: String(n) } },
      passwordHash, passwordHashAlg, profile: { attributes: { n, tags: ['a', 'b'], nested: { x: n / 2 } } }, roles: n % 2 ? ['buyer'] : [],
    });
  }
  const secret = 'a secret for the journey';
  for (let n = 0; n < N - MADE_HERE; n += 50) {
    const got = await call('POST', manage(source, `/cloud_directory/import?encryption_secret=${encodeURIComponent(secret)}`), { body: { users: users.slice(n, n + 50) } });
    assert.deepEqual([got.added, got.failed], [50, 0], JSON.stringify(got.failReasons));
  }
  const buyer = (await call('GET', manage(source, '/roles'))).roles.find((role) => role.name === 'buyer');
  for (let n = N - MADE_HERE; n < N; n += 1) {
    await makeUser(source, email(n), { displayName: `Person ${n}`, password: password(n) });
    const got = await passwordGrant(source, app, email(n), password(n));
    assert.equal(got.status, 200, JSON.stringify(got.body));
    const { sub } = claims(got.body.access_token);
    await call('PUT', manage(source, `/users/${sub}/profile`), { body: { attributes: { n } } });
    await call('PUT', manage(source, `/users/${sub}/roles`), { body: { roles: { ids: n % 2 ? [buyer.id] : [] } } });
  }

  // One call copies the configuration; the preview says the same and changes nothing.
  const duplicate = (dryRun) => call('POST', manage(target, '/config/duplicate'), { body: { sourceTenantId: source, include: ['applications', 'roles'], dryRun } });
  const preview = await duplicate(true);
  assert.equal((await call('GET', manage(target, '/config/idps/google'))).isActive, false);
  const done = await duplicate(false);
  assert.deepEqual(done, preview);
  for (const family of ['idps/facebook', 'idps/google', 'idps/custom', 'idps/saml', 'idps/cloud_directory', 'tokens']) {
    assert.equal(done.families[family], 'created', family);
    const strip = ({ redirectURL, ...rest }) => rest;
    assert.deepEqual(strip(await call('GET', manage(target, `/config/${family}`))), strip(await call('GET', manage(source, `/config/${family}`))), family);
  }
  // Redirect URIs name addresses of the old deployment: they stay behind unless they are named.
  assert.equal(done.families.redirect_uris, 'skipped');
  assert.deepEqual((await call('GET', manage(target, '/config/redirect_uris'))).redirectUris, []);
  await call('POST', manage(target, '/config/duplicate'), { body: { sourceTenantId: source, families: ['redirect_uris'] } });
  assert.deepEqual((await call('GET', manage(target, '/config/redirect_uris'))).redirectUris, [CALLBACK]);

  const pages = async (guid, key) => {
    const found = [];
    for (let start = 0; ; start += 50) {
      const page = await call('GET', manage(guid, `/cloud_directory/export?startIndex=${start}&count=50`), { headers: { 'X-Vestibule-Encryption-Secret': key } });
      found.push(...page.users);
      assert.equal(page.totalResults, N);
      if (found.length >= page.totalResults) return found;
    }
  };
  const exported = await pages(source, secret);
  assert.equal(exported.length, N);
  assert.ok(!JSON.stringify(exported).includes('$argon2'), 'no hash travels in the clear');
  const wrong = await fetch(url + manage(target, '/cloud_directory/import'), {
    method: 'POST', headers: { authorization: `Bearer ${await adminToken()}`, 'X-Vestibule-Encryption-Secret': 'another secret' }, body: JSON.stringify({ users: exported.slice(0, 5) }),
  });
  assert.equal(wrong.status, 400, await wrong.text());
  for (let n = 0; n < N; n += 50) {
    const got = await call('POST', manage(target, '/cloud_directory/import'), { headers: { 'X-Vestibule-Encryption-Secret': secret }, body: { users: exported.slice(n, n + 50) } });
    assert.deepEqual([got.added, got.failed], [50, 0], JSON.stringify(got.failReasons));
  }

  // The target's export differs only in ids and in how the hashes are sealed: not in one date, state, attribute or role.
  const plain = (list) => list.map(({ scimUser: { originalId, ...scimUser }, passwordHash, ...rest }) => ({ scimUser, ...rest }));
  assert.deepEqual(plain(await pages(target, secret)), plain(exported));

  const newApp = (await call('GET', manage(target, '/applications'))).applications.find((other) => other.name === 'shop');
  assert.notEqual(newApp.clientId, app.clientId);
  const page = (n) => `${url}/oauth/v4/${target}/authorization?response_type=code&client_id=${newApp.clientId}&redirect_uri=${encodeURIComponent(CALLBACK)}&scope=openid&state=s${n}`;
  const landedAt = (address, n) => {
    const back = new URL(address);
    assert.ok(address.startsWith(CALLBACK), address);
    assert.equal(back.searchParams.get('state'), `s${n}`);
    assert.ok(back.searchParams.get('code'));
  };

  // In a real browser one in ten signs in on the new side with the old password: all notations are among them, as they were imported.
  const chromium = await browser();
  try {
    const context = await chromium.newContext();
    const tab = await context.newPage();
    for (let n = 0; n < N; n += 10) {
      await context.clearCookies();
      await tab.goto(page(n));
      await tab.fill('input[name=username]', email(n));
      await tab.fill('input[name=password]', password(n));
      await tab.click('button[type=submit]');
      await tab.getByText('signed in').waitFor();
      landedAt(tab.url(), n);
    }
  } finally {
    await chromium.close();
  }

  // Everybody does through the password grant, and through the page as a browser without scripts sends its form.
  const everyone = async (signIn) => {
    let next = 0;
    await Promise.all(Array.from({ length: 4 }, async () => { while (next < N) await signIn(next++); }));
  };
  await everyone(async (n) => {
    const got = await passwordGrant(target, newApp, email(n), password(n));
    assert.equal(got.status, 200, `${n}: ${JSON.stringify(got.body)}`);
    assert.equal(claims(got.body.access_token).scope.includes('cart.read'), n % 2 === 1);
    assert.equal(got.body.expires_in, 1800);
  });
  await everyone(async (n) => {
    const sent = await new Person().signIn(page(n), email(n), password(n));
    landedAt(sent.headers.get('location') ?? `no redirect: ${sent.status}`, n);
  });
  assert.equal((await passwordGrant(target, newApp, email(1), password(2))).status, 400);
});

test('known users split into two instances: nobody lost, nobody twice, anonymous ones stay', async () => {
  const [source, one, two] = [await makeInstance('whole'), await makeInstance('half one'), await makeInstance('half two')];
  const users = Array.from({ length: 120 }, (_, n) => ({
    id: `old-${n}`, name: `U ${n}`, email: `u${n}@example.org`, roles: [],
    identities: [{ provider: n % 3 ? 'google' : 'facebook', id: `sub-${n}`, idpUserInfo: { id: `sub-${n}`, n } }],
    attributes: { country: n % 4 ? 'DE' : 'FR', n },
  }));
  assert.equal((await call('POST', manage(source, '/users/import'), { body: { users } })).added, 120);
  const app = await makeApplication(source, 'app');
  await allowRedirects(source, [CALLBACK]);
  const asked = await fetch(`${url}/oauth/v4/${source}/authorization?response_type=code&idp=appid_anon&client_id=${app.clientId}&redirect_uri=${encodeURIComponent(CALLBACK)}&scope=openid&state=x`, { redirect: 'manual' });
  assert.equal(asked.status, 302, await asked.text());
  // Only a code that is redeemed makes an anonymous profile; an attribute shows that it is there.
  const anonymous = await fetch(`${url}/oauth/v4/${source}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', redirect_uri: CALLBACK, code: new URL(asked.headers.get('location')).searchParams.get('code') }),
  });
  assert.equal(anonymous.status, 200);
  const bearer = (await anonymous.json()).access_token;
  assert.deepEqual(claims(bearer).amr, ['appid_anon']);
  assert.deepEqual(await call('PUT', '/api/v1/attributes/country', { body: 'FR', bearer }), { country: 'FR' });

  const folder = mkdtempSync(join(tmpdir(), 'split-'));
  const binary = process.env.VESTIBULE_BINARY;
  assert.ok(binary, 'VESTIBULE_BINARY names the program');
  try {
    const run = (...words) => execFileSync(binary, words, { env: { ...process.env, HOME: folder }, encoding: 'utf8' });
    run('users', 'export', '--instance', source, '-o', join(folder, 'all.json'));
    run('users', 'split', join(folder, 'all.json'), '--where', 'attributes.country == "FR"', '-o', join(folder, 'parts'));
    assert.deepEqual(readdirSync(join(folder, 'parts')).sort(), ['part-1.json', 'rest.json']);
    run('users', 'import', join(folder, 'parts', 'part-1.json'), '--instance', one);
    run('users', 'import', join(folder, 'parts', 'rest.json'), '--instance', two);
    const all = JSON.parse(readFileSync(join(folder, 'all.json')));
    assert.equal(all.totalResults, 120, 'no anonymous profile among them');
    assert.ok(!all.users.some((user) => user.id === claims(bearer).sub));
  } finally {
    rmSync(folder, { recursive: true });
  }
  const everyone = async (guid) => (await call('GET', manage(guid, '/users/export?startIndex=0&count=500'))).users;
  const [a, b] = [await everyone(one), await everyone(two)];
  assert.deepEqual([a.length, b.length], [30, 90]);
  const key = (user) => user.identities[0].id;
  assert.deepEqual([...a, ...b].map(key).sort(), users.map(key).sort());
  const original = new Map((await everyone(source)).map((user) => [key(user), user]));
  for (const user of [...a, ...b]) {
    const { id: _, ...rest } = user;
    const { id: __, ...before } = original.get(key(user));
    assert.deepEqual(rest, before);
  }
  assert.deepEqual(await call('GET', '/api/v1/attributes', { bearer }), { country: 'FR' }, 'the anonymous profile is still at the source');
});
