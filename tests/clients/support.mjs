// What the suites share: a signed-in administrator, instances, users, and a person who signs in without JavaScript.
import assert from 'node:assert/strict';

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: ./test starts a service and sets it`);
  return value;
};
export const url = need('VESTIBULE_URL');
export const apiKey = need('VESTIBULE_API_KEY');

let token;
/** A platform token of the administrator. */
export async function adminToken() {
  if (!token) {
    const answer = await fetch(`${url}/identity/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'urn:ibm:params:oauth:grant-type:apikey', apikey: apiKey }),
    });
    assert.equal(answer.status, 200);
    token = (await answer.json()).access_token;
  }
  return token;
}

/** A call as the administrator (or with another token); insists on the status and answers the JSON body, if any. */
export async function call(method, path, { body, expect = 200, headers = {}, bearer } = {}) {
  const answer = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${bearer ?? (await adminToken())}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.equal(answer.status, expect, `${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
  return text ? JSON.parse(text) : undefined;
}

/** An instance; answers its GUID. */
export async function makeInstance(name, region = 'local') {
  const made = await call('POST', '/v2/resource_instances', { body: { name, target: region, resource_plan_id: 'standard', resource_group: 'default' }, expect: 201 });
  return made.guid;
}

export const manage = (guid, path) => `/management/v4/${guid}${path}`;

/** An application; answers its credentials. */
export const makeApplication = (guid, name, type = 'regularwebapp') =>
  call('POST', manage(guid, '/applications'), { body: { name, type } });

export const allowRedirects = (guid, redirectUris) =>
  call('PUT', manage(guid, '/config/redirect_uris'), { body: { redirectUris }, expect: 204 });

export const enableRefresh = (guid) =>
  call('PUT', manage(guid, '/config/tokens'), { body: { refresh: { enabled: true, expires_in: 86400 } } });

export const PASSWORD = 'correct horse battery 9';

/** A directory user with PASSWORD; answers the SCIM user. */
export const makeUser = (guid, email, more = {}) =>
  call('POST', manage(guid, '/cloud_directory/Users'), {
    body: { emails: [{ value: email, primary: true }], password: PASSWORD, displayName: email.split('@')[0], status: 'CONFIRMED', ...more },
    expect: 201,
  });

/** The password grant; answers status and body. */
export async function passwordGrant(guid, app, username, password) {
  const answer = await fetch(`${url}/oauth/v4/${guid}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'password', username, password }),
  });
  return { status: answer.status, body: await answer.json() };
}

/** A person with cookies and without JavaScript. */
export class Person {
  cookies = new Map();

  async go(address, options = {}) {
    const headers = { ...(options.headers ?? {}) };
    if (this.cookies.size) headers.cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(address, { ...options, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [name, ...value] = line.split(';')[0].split('=');
      this.cookies.set(name, value.join('='));
    }
    return answer;
  }

  /** Opens an authorization address, fills in the form, and answers where the browser is sent. */
  async signIn(address, username, password) {
    const page = await this.go(address);
    const html = await page.text();
    assert.equal(page.status, 200, html.slice(0, 500));
    return this.submit(address, html, username, password);
  }

  async submit(address, html, username, password) {
    const form = html.match(/<form[^>]*>[\s\S]*?<\/form>/)?.[0];
    assert.ok(form, 'the page has a form');
    const attribute = (tag, name) => decode(tag.match(new RegExp(`${name}="([^"]*)"`))?.[1] ?? '');
    const fields = new URLSearchParams();
    for (const tag of form.match(/<input[^>]*>/g) ?? []) fields.set(attribute(tag, 'name'), attribute(tag, 'value'));
    fields.set('username', username);
    fields.set('password', password);
    const action = new URL(attribute(form.match(/<form[^>]*>/)[0], 'action') || address, address);
    return this.go(action, { method: 'POST', body: fields });
  }
}

/** The fields of the first form of a page, and where it goes. */
export function formOf(html, address) {
  const form = html.match(/<form[^>]*>[\s\S]*?<\/form>/)?.[0];
  assert.ok(form, `no form: ${html.slice(0, 500)}`);
  const attribute = (tag, name) => decode(tag.match(new RegExp(`${name}="([^"]*)"`))?.[1] ?? '');
  const fields = new URLSearchParams();
  for (const tag of form.match(/<input[^>]*>/g) ?? []) fields.set(attribute(tag, 'name'), attribute(tag, 'value'));
  return { action: new URL(attribute(form, 'action'), address), fields };
}

/** Lets a device in without JavaScript: enters the code, signs in if asked, and answers. */
export async function letIn(person, { verification_uri_complete: complete }, username, decision = 'allow') {
  let page = await person.go(complete);
  for (let step = 0; step < 4; step += 1) {
    const html = await page.text();
    assert.equal(page.status, 200, html.slice(0, 500));
    if (/role="status"/.test(html)) return html;
    const { action, fields } = formOf(html, complete);
    if (fields.has('username')) { fields.set('username', username); fields.set('password', PASSWORD); }
    if (/name="decision"/.test(html)) fields.set('decision', decision);
    page = await person.go(action, { method: 'POST', body: fields });
  }
  return assert.fail('the pages have no end');
}

const decode = (text) =>
  text.replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(parseInt(hex, 16)))
    .replace(/&quot;/g, '"').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');

/** Chromium as Debian ships it, with these switches beside the usual ones. */
export async function browser(more = []) {
  const { chromium } = await import('playwright-core');
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more],
  });
}
