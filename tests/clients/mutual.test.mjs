// Mutual TLS with real connections (RFC 8705): a proxy that asks for certificates and passes them on to two nodes in turn, and an
// independent client.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as forward } from 'node:http';
import { createServer, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as oidc from 'openid-client';
import { cluster } from './cluster.mjs';

// Addresses of this machine: the proxy's is trusted, that of everything else is not.
const PROXY = '127.0.0.2';
const folder = mkdtempSync(join(tmpdir(), 'mutual-'));
let support, guid, app, started, proxy, issuer;

/** A key and its certificate, signed by an authority or by itself. */
function certify(name, subject, by) {
  const at = (ending) => join(folder, `${name}.${ending}`);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', subject, '-keyout', at('key')];
  const openssl = (...words) => execFileSync('openssl', words, { stdio: 'pipe' });
  if (by) {
    openssl('req', ...curve, '-out', at('csr'));
    openssl('x509', '-req', '-in', at('csr'), '-CA', join(folder, `${by}.crt`), '-CAkey', join(folder, `${by}.key`), '-CAcreateserial', '-days', '2', '-out', at('crt'));
  } else {
    openssl('req', '-x509', '-days', '2', '-addext', 'subjectAltName=DNS:localhost', ...curve, '-out', at('crt'));
  }
  return { cert: readFileSync(at('crt')), key: readFileSync(at('key')) };
}

/** Ends TLS, asks for certificates, and says of each whether its chain leads to the authority. */
async function startProxy(server, ca) {
  let turn = 0;
  proxy = createServer({ ...server, ca, requestCert: true, rejectUnauthorized: false }, (asked, answer) => {
    const { raw } = asked.socket.getPeerCertificate();
    const headers = { ...asked.headers };
    delete headers['client-cert'];
    delete headers['client-cert-verify'];
    if (raw) {
      headers['client-cert'] = `:${raw.toString('base64')}:`;
      headers['client-cert-verify'] = asked.socket.authorized ? 'SUCCESS' : `FAILED:${asked.socket.authorizationError}`;
    }
    turn = (turn + 1) % started.nodes.length;
    const to = new URL(started.nodes[turn].url);
    const passed = forward({ host: to.hostname, port: to.port, localAddress: PROXY, method: asked.method, path: asked.url, headers, agent: false }, (got) => {
      answer.writeHead(got.statusCode, got.rawHeaders);
      got.pipe(answer);
    });
    asked.pipe(passed);
  }).listen(0, '127.0.0.1');
  await new Promise((ready) => proxy.on('listening', ready));
  return `https://localhost:${proxy.address().port}`;
}

let server;
/** `fetch` over connections with a certificate. */
const over = (identity) => (address, { method = 'GET', headers = {}, body } = {}) => {
  if (!String(address).startsWith('https:')) return fetch(address, { method, headers, body });
  return new Promise((resolve, reject) => {
    const asked = request(address, { method, headers: Object.fromEntries(new Headers(headers)), ca: server.cert, ...identity, agent: false }, (got) => {
      const parts = [];
      got.on('data', (part) => parts.push(part));
      got.on('end', () => resolve(new Response(Buffer.concat(parts), { status: got.statusCode, headers: got.headers })));
    });
    asked.on('error', reject);
    asked.end(body ? String(body) : undefined);
  });
};

before(async () => {
  server = certify('server', '/CN=localhost');
  certify('authority', '/CN=Authority');
  const mtls = await startProxy(server, readFileSync(join(folder, 'authority.crt')));
  started = await cluster(['--trusted-proxies', PROXY, '--mtls-url', mtls]);
  Object.assign(process.env, { VESTIBULE_URL: started.proxy.url, VESTIBULE_API_KEY: started.apiKey });
  support = await import('./support.mjs');
  guid = await support.makeInstance('mutual');
  app = await support.makeApplication(guid, 'rp');
  issuer = new URL(`${started.proxy.url}/oauth/v4/${guid}`);
  await support.call('PUT', support.manage(guid, '/config/oauth'), { body: { mutualTls: 'allowed' } });
});
after(async () => {
  proxy?.close();
  proxy?.closeAllConnections();
  await started?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Says how the application authenticates; both nodes know it afterwards. */
async function describe(body) {
  await support.call('PUT', support.manage(guid, `/applications/${app.clientId}/metadata`), { body });
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
const refused = (error) => error.status === 401 && error.cause[0].scheme === 'basic';
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** openid-client with a certificate, at the addresses that discovery lists for those. */
async function client(identity) {
  const metadata = { use_mtls_endpoint_aliases: true };
  const config = await oidc.discovery(issuer, app.clientId, metadata, oidc.TlsClientAuth(), { execute: [oidc.allowInsecureRequests] });
  config[oidc.customFetch] = over(identity);
  return config;
}

test('a certificate of the authority is the client, and its tokens are bound to it', async () => {
  const [own, other] = [certify('shop', '/C=DE/O=Example/CN=Shop', 'authority'), certify('other', '/C=DE/O=Example/CN=Other', 'authority')];
  const forged = certify('forged', '/C=DE/O=Example/CN=Shop');
  await describe({ token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=Shop,O=Example,C=DE', tls_client_certificate_bound_access_tokens: true });
  const config = await client(own);
  assert.match(config.serverMetadata().mtls_endpoint_aliases.token_endpoint, /^https:\/\/localhost:/);
  const tokens = await oidc.clientCredentialsGrant(config);
  const thumbprint = Buffer.from(new X509Certificate(own.cert).fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
  assert.deepEqual(claims(tokens.access_token).cnf, { 'x5t#S256': thumbprint });
  const seen = await oidc.tokenIntrospection(config, tokens.access_token);
  assert.deepEqual([seen.active, seen.cnf], [true, { 'x5t#S256': thumbprint }]);
  for (const identity of [other, forged, {}]) {
    const config = await client(identity);
    await assert.rejects(oidc.clientCredentialsGrant(config), refused);
  }
});

test('a certificate of its own making is the client where it registered it', async () => {
  const [own, other] = [certify('own', '/CN=own'), certify('another', '/CN=own')];
  const certificate = new X509Certificate(own.cert);
  const jwks = { keys: [{ ...certificate.publicKey.export({ format: 'jwk' }), x5c: [certificate.raw.toString('base64')] }] };
  await describe({ token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks });
  assert.ok((await oidc.clientCredentialsGrant(await client(own))).access_token);
  await assert.rejects(client(other).then(oidc.clientCredentialsGrant), refused);
});

test('nobody passes for the proxy', async () => {
  const own = certify('victim', '/CN=victim', 'authority');
  await describe({ token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=victim' });
  const headers = { 'client-cert': `:${new X509Certificate(own.cert).raw.toString('base64')}:`, 'client-cert-verify': 'SUCCESS' };
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: app.clientId });
  const direct = await fetch(`${issuer}/token`, { method: 'POST', headers: { ...headers, 'x-forwarded-for': PROXY }, body });
  assert.deepEqual([direct.status, (await direct.json()).error], [401, 'invalid_client']);
  const alias = (await client({})).serverMetadata().mtls_endpoint_aliases.token_endpoint;
  const sent = { method: 'POST', headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' }, body };
  const through = await over({})(alias, sent);
  assert.deepEqual([through.status, (await through.json()).error], [401, 'invalid_client']);
  assert.equal((await over(own)(alias, sent)).status, 200);
});
