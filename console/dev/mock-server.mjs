// A stand-in for the service while the console is being worked on: the calls the console makes, kept in memory, with the
// contract's shapes, status codes and error dialects. It is no reference for anything else.
import { randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { JOB_ROUTES } from "./mock-jobs.mjs";
import { STREAM_ROUTES, TRANSFER_ROUTES } from "./mock-transfer.mjs";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const MIME = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export class Refused extends Error {
  constructor(status, body) {
    super(`refused with ${status}`);
    this.status = status;
    this.body = body;
  }
}
const iam = (status, message) =>
  new Refused(status, { errors: [{ code: "refused", message }], status_code: status });
export const management = (status, message, code = "REFUSED") =>
  new Refused(status, { error_code: code, error_description: message, message });
export const scim = (status, scimType, detail) =>
  new Refused(status, {
    schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"],
    status: String(status),
    scimType,
    detail,
  });

/** Starts the server and answers `{url, apiKey, close}`. */
export async function startMock({ host = "127.0.0.1", port = 0 } = {}) {
  const state = {
    apiKey: randomBytes(24).toString("base64url"),
    tokens: new Set(),
    refresh: new Set(),
    instances: new Map(),
    reclamations: new Map(),
    outbox: mails(),
  };
  const server = createServer((request, response) => {
    answer(state, request, response).then(
      ({ status = 200, body, headers = {}, raw, written }) => {
        if (written) return;
        response.writeHead(status, {
          "Cache-Control": "no-store",
          "X-Content-Type-Options": "nosniff",
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...headers,
        });
        response.end(raw ?? (body === undefined ? undefined : JSON.stringify(body)));
      },
      (error) => {
        if (response.headersSent) return response.destroy();
        const refused = error instanceof Refused ? error : new Refused(500, { message: String(error) });
        response.writeHead(refused.status, { "Content-Type": "application/json" });
        response.end(JSON.stringify(refused.body));
      },
    );
  });
  await new Promise((done) => server.listen(port, host, done));
  const url = `http://${host}:${server.address().port}`;
  state.url = url;
  return {
    url,
    apiKey: state.apiKey,
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}

async function answer(state, request, response) {
  const url = new URL(request.url, "http://localhost");
  const path = decodeURIComponent(url.pathname);
  if (path === "/console" || path.startsWith("/console/")) return file(path.slice("/console/".length));
  const streams = STREAM_ROUTES.some(([method, pattern]) => method === request.method && pattern.test(path));
  const text = streams ? "" : await bodyOf(request);
  if (path === "/identity/token") return token(state, new URLSearchParams(text));
  const found = /^\/oauth\/v4\/([^/]+)\/\.well-known\/openid-configuration$/.exec(path);
  if (found) return { body: { issuer: `${state.url}/oauth/v4/${found[1]}` } };
  if (!state.tokens.has((request.headers.authorization ?? "").replace(/^bearer /i, ""))) {
    throw iam(401, "The token is not valid.");
  }
  let body;
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    throw management(400, "The body is not valid JSON.");
  }
  const call = { state, request, response, query: url.searchParams, body, headers: request.headers };
  for (const [method, pattern, handle] of [...STREAM_ROUTES, ...TRANSFER_ROUTES, ...JOB_ROUTES, ...ROUTES]) {
    const match = method === request.method && pattern.exec(path);
    if (match) return handle(call, ...match.slice(1));
  }
  throw management(404, "There is no such call.");
}

async function file(path) {
  const wanted = normalize(path || "index.html");
  const served = extname(wanted) && !wanted.startsWith("..") ? wanted : "index.html";
  try {
    const raw = await readFile(join(DIST, served));
    return {
      raw,
      headers: {
        "Content-Type": MIME[extname(served)] ?? "application/octet-stream",
        "Content-Security-Policy": CSP,
      },
    };
  } catch {
    throw new Refused(404, { message: "not found" });
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function token(state, form) {
  const grant = form.get("grant_type");
  const known =
    grant === "refresh_token"
      ? state.refresh.delete(form.get("refresh_token"))
      : grant === "urn:ibm:params:oauth:grant-type:apikey" && form.get("apikey") === state.apiKey;
  if (!known) {
    throw new Refused(400, { errorCode: "BXNIM0415E", errorMessage: "Provided API key could not be found." });
  }
  const access = randomBytes(24).toString("base64url");
  const refresh = randomBytes(24).toString("base64url");
  state.tokens.add(access);
  state.refresh.add(refresh);
  return { body: { access_token: access, refresh_token: refresh, token_type: "Bearer", expires_in: 3600 } };
}

// Instances

function instance(state, id) {
  const guid = id.startsWith("crn:") ? id.split(":")[7] : id;
  const found = state.instances.get(guid);
  if (!found) throw iam(404, "This instance was not found.");
  return found;
}

export function tenant(call, id) {
  const found = call.state.instances.get(id);
  if (!found || found.about.state !== "active") throw management(404, "This instance was not found.");
  return found;
}

function newInstance(state, name, region) {
  const guid = randomUUID();
  const crn = `crn:v1:vestibule:public:appid:${region}:a/${"0".repeat(32)}:${guid}::`;
  const now = new Date().toISOString();
  const made = {
    about: {
      id: crn,
      guid,
      crn,
      name,
      region_id: region,
      resource_id: "appid",
      state: "active",
      created_at: now,
      locked: false,
    },
    applications: new Map(),
    roles: new Map(),
    directory: new Map(),
    profiles: new Map(),
    config: defaults(state.url, guid),
  };
  state.instances.set(guid, made);
  return made;
}

/** What the service might have written, newest first. */
function mails() {
  const of = (count, subject, text, html) => ({
    id: `20261124T2100${String(count).padStart(2, "0")}000Z-${String(count).padStart(6, "0")}-00000000deadbeef`,
    to: "ada@example.com",
    subject,
    date: `2026-11-24T21:00:${String(count).padStart(2, "0")}.000Z`,
    text,
    html,
  });
  return [
    of(
      2,
      "Export of directory users is done: Shop",
      "Export of directory users is done.\n\nWritten: 3\n",
      "<p>…",
    ),
    of(1, "Import of profiles has failed: Shop", "Import of profiles has failed.\n", null),
  ];
}

function defaults(url, guid) {
  return {
    "idps/cloud_directory": {
      isActive: true,
      config: {
        selfServiceEnabled: true,
        signupEnabled: true,
        identityField: "email",
        interactions: {
          identityConfirmation: { accessMode: "FULL", methods: ["email"] },
          welcomeEnabled: true,
          resetPasswordEnabled: true,
          resetPasswordNotificationEnable: true,
        },
      },
    },
    "idps/facebook": { isActive: false, redirectURL: `${url}/oauth/v4/${guid}/callback/facebook` },
    "idps/google": { isActive: false, redirectURL: `${url}/oauth/v4/${guid}/callback/google` },
    "idps/custom": { isActive: false },
    "idps/saml": { isActive: false },
    tokens: {
      access: { expires_in: 3600 },
      refresh: { expires_in: 2592000, enabled: false },
      anonymousAccess: { expires_in: 2592000, enabled: true },
      idTokenClaims: [],
      accessTokenClaims: [],
    },
    redirect_uris: { redirectUris: [] },
    "cloud_directory/sso": { isActive: false, inactivityTimeoutSeconds: 86400, logoutRedirectUris: [] },
  };
}

const ROUTES = [
  [
    "GET",
    /^\/v2\/resource_instances$/,
    ({ state, query }) => {
      const all = [...state.instances.values()].map((one) => one.about);
      const wanted = all.filter((one) => one.state === (query.get("state") ?? "active"));
      const limit = Number(query.get("limit") ?? 10);
      const start = Number(query.get("start") ?? 0);
      const next = new URLSearchParams({
        state: query.get("state") ?? "active",
        limit,
        start: start + limit,
      });
      const more = start + limit < wanted.length;
      const resources = wanted.slice(start, start + limit);
      return {
        body: {
          rows_count: resources.length,
          next_url: more ? `/v2/resource_instances?${next}` : null,
          resources,
        },
      };
    },
  ],
  [
    "POST",
    /^\/v2\/resource_instances$/,
    ({ state, body }) => {
      if (!body.name?.trim() || !body.target) throw iam(400, "name and target are required.");
      return { status: 201, body: newInstance(state, body.name, body.target).about };
    },
  ],
  ["GET", /^\/v2\/resource_instances\/([^/]+)$/, ({ state }, id) => ({ body: instance(state, id).about })],
  [
    "PATCH",
    /^\/v2\/resource_instances\/([^/]+)$/,
    ({ state, body }, id) => {
      const found = instance(state, id);
      found.about.name = body.name ?? found.about.name;
      return { body: found.about };
    },
  ],
  [
    "DELETE",
    /^\/v2\/resource_instances\/([^/]+)$/,
    ({ state }, id) => {
      const { about } = instance(state, id);
      about.state = "pending_reclamation";
      about.deleted_at = new Date().toISOString();
      const reclamation = {
        id: randomUUID(),
        entity_id: about.guid,
        resource_instance_id: about.crn,
        state: "SCHEDULED",
        created_at: about.deleted_at,
        target_time: new Date(Date.now() + 7 * 86400_000).toISOString(),
      };
      state.reclamations.set(reclamation.id, reclamation);
      return { status: 204 };
    },
  ],
  ["GET", /^\/v1\/reclamations$/, ({ state }) => ({ body: { resources: [...state.reclamations.values()] } })],
  [
    "POST",
    /^\/v1\/reclamations\/([^/]+)\/actions\/(restore|reclaim)$/,
    ({ state }, id, action) => {
      const found = state.reclamations.get(id);
      if (!found) throw iam(404, "This reclamation was not found.");
      state.reclamations.delete(id);
      const { about } = instance(state, found.resource_instance_id);
      if (action === "reclaim") state.instances.delete(about.guid);
      else Object.assign(about, { state: "active", deleted_at: null });
      return { body: found };
    },
  ],

  // Outbox
  [
    "GET",
    /^\/v1\/outbox$/,
    ({ state }) => ({
      body: {
        delivery: "outbox",
        next_url: null,
        messages: state.outbox.map(({ id, to, subject, date }) => ({ id, to, subject, date })),
      },
    }),
  ],
  [
    "GET",
    /^\/v1\/outbox\/([^/]+)$/,
    ({ state }, id) => {
      const found = state.outbox.find((one) => one.id === id);
      if (!found) throw iam(404, "There is no such mail in the outbox.");
      return { body: found };
    },
  ],

  // Applications and roles
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/applications$/,
    (call, id) => ({
      body: { applications: [...tenant(call, id).applications.values()].map(shownApplication) },
    }),
  ],
  [
    "POST",
    /^\/management\/v4\/([^/]+)\/applications$/,
    (call, id) => {
      const { name, type = "regularwebapp" } = call.body;
      if (!name || name.length > 50) throw management(400, "name must have 1 to 50 characters.");
      return { body: shownApplication(addApplication(call.state, tenant(call, id), name, type)) };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/applications\/([^/]+)$/,
    (call, id, app) => ({ body: shownApplication(application(call, id, app)) }),
  ],
  [
    "PUT",
    /^\/management\/v4\/([^/]+)\/applications\/([^/]+)$/,
    (call, id, app) => {
      const found = application(call, id, app);
      found.name = call.body.name;
      return { status: 201, body: shownApplication(found) };
    },
  ],
  [
    "DELETE",
    /^\/management\/v4\/([^/]+)\/applications\/([^/]+)$/,
    (call, id, app) => {
      tenant(call, id).applications.delete(application(call, id, app).clientId);
      return { status: 204 };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/applications\/([^/]+)\/scopes$/,
    (call, id, app) => ({ body: { scopes: application(call, id, app).scopes } }),
  ],
  [
    "PUT",
    /^\/management\/v4\/([^/]+)\/applications\/([^/]+)\/scopes$/,
    (call, id, app) => {
      const bad = call.body.scopes.find((scope) => !/^(?!appid)(?!openid)[a-z0-9._]{1,49}$/.test(scope));
      if (bad) throw management(400, `scopes: ${bad} is not a scope name.`);
      const found = application(call, id, app);
      found.scopes = call.body.scopes;
      return { body: { scopes: found.scopes } };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/applications\/([^/]+)\/roles$/,
    (call, id, app) => ({ body: { roles: roleRefs(call, id, application(call, id, app).roleIds) } }),
  ],
  [
    "PUT",
    /^\/management\/v4\/([^/]+)\/applications\/([^/]+)\/roles$/,
    (call, id, app) => {
      const found = application(call, id, app);
      found.roleIds = call.body.roles.ids;
      return { body: { roles: roleRefs(call, id, found.roleIds) } };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/roles$/,
    (call, id) => ({ body: { roles: [...tenant(call, id).roles.values()] } }),
  ],
  [
    "POST",
    /^\/management\/v4\/([^/]+)\/roles$/,
    (call, id) => ({ status: 201, body: putRole(call, id, randomUUID()) }),
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/roles\/([^/]+)$/,
    (call, id, role) => ({ body: oneRole(call, id, role) }),
  ],
  [
    "PUT",
    /^\/management\/v4\/([^/]+)\/roles\/([^/]+)$/,
    (call, id, role) => ({ body: putRole(call, id, oneRole(call, id, role).id) }),
  ],
  [
    "DELETE",
    /^\/management\/v4\/([^/]+)\/roles\/([^/]+)$/,
    (call, id, role) => {
      tenant(call, id).roles.delete(oneRole(call, id, role).id);
      return { status: 202 };
    },
  ],

  // Configuration
  ["POST", /^\/management\/v4\/([^/]+)\/config\/duplicate$/, duplicate],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/config\/(idps\/\w+|tokens|redirect_uris|cloud_directory\/sso)$/,
    (call, id, family) => ({ body: tenant(call, id).config[family] }),
  ],
  [
    "PUT",
    /^\/management\/v4\/([^/]+)\/config\/(idps\/\w+|tokens|redirect_uris|cloud_directory\/sso)$/,
    putConfig,
  ],

  // Directory
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/cloud_directory\/Users$/,
    (call, id) => {
      const query = (call.query.get("query") ?? "").toLowerCase();
      const all = [...tenant(call, id).directory.values()].map(({ user }) => user);
      const matches = (user) =>
        user.userName?.toLowerCase() === query ||
        user.emails.some((one) => one.value.toLowerCase() === query);
      const { page, ...about } = paged(call, query ? all.filter(matches) : all, 100);
      return { body: { ...about, Resources: page } };
    },
  ],
  [
    "POST",
    /^\/management\/v4\/([^/]+)\/cloud_directory\/Users$/,
    (call, id) => {
      const { password, ...user } = call.body;
      if (!password || password.length < 8)
        throw scim(400, "invalidValue", "The password must have at least 8 characters.");
      return { status: 201, body: addDirectoryUser(tenant(call, id), user, password).user };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/cloud_directory\/Users\/([^/]+)$/,
    (call, id, user) => ({ body: directoryUser(call, id, user).user }),
  ],
  [
    "PUT",
    /^\/management\/v4\/([^/]+)\/cloud_directory\/Users\/([^/]+)$/,
    (call, id, user) => {
      const found = directoryUser(call, id, user);
      const { password: _password, ...rest } = call.body;
      found.user = {
        ...rest,
        id: found.user.id,
        meta: { ...found.user.meta, lastModified: new Date().toISOString() },
      };
      return { body: found.user };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/cloud_directory\/([^/]+)\/userinfo$/,
    (call, id, user) => {
      const { profileId } = directoryUser(call, id, user);
      if (!profileId) throw scim(404, "noTarget", "This user has no profile yet.");
      return { body: { sub: profileId } };
    },
  ],
  [
    "DELETE",
    /^\/management\/v4\/([^/]+)\/cloud_directory\/remove\/([^/]+)$/,
    (call, id, user) => {
      const found = directoryUser(call, id, user);
      tenant(call, id).profiles.delete(found.profileId);
      tenant(call, id).directory.delete(found.user.id);
      return { status: 204 };
    },
  ],

  // Profiles
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/users$/,
    (call, id) => {
      const email = call.query.get("email");
      const wanted = call.query.get("id");
      const all = [...tenant(call, id).profiles.values()].filter(
        (one) =>
          (!email || one.email === email) &&
          (!wanted || one.identities.some((identity) => identity.id === wanted)),
      );
      const { page, ...about } = paged(call, all, 100);
      return { body: { ...about, requestOptions: {}, users: page.map(withoutRoles) } };
    },
  ],
  [
    "POST",
    /^\/management\/v4\/([^/]+)\/users$/,
    (call, id) => ({
      status: 201,
      body: { id: addProfile(tenant(call, id), directoryUser(call, id, call.body["idp-identity"])) },
    }),
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/users\/export$/,
    (call, id) => {
      const all = [...tenant(call, id).profiles.values()].filter(
        (one) => one.identities[0]?.provider !== "cloud_directory",
      );
      const { page, ...about } = paged(call, all, 100);
      const users = page.map((one) => ({
        ...withoutRoles(one),
        roles: roleRefs(call, id, one.roleIds).map((role) => role.name),
      }));
      return { body: { ...about, requestOptions: {}, users } };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/users\/([^/]+)\/profile$/,
    (call, id, user) => ({ body: withoutRoles(profile(call, id, user)) }),
  ],
  [
    "PUT",
    /^\/management\/v4\/([^/]+)\/users\/([^/]+)\/profile$/,
    (call, id, user) => {
      const found = profile(call, id, user);
      found.attributes = { ...found.attributes, ...call.body.attributes };
      return { body: withoutRoles(found) };
    },
  ],
  [
    "DELETE",
    /^\/management\/v4\/([^/]+)\/users\/([^/]+)$/,
    (call, id, user) => {
      tenant(call, id).profiles.delete(profile(call, id, user).id);
      return { status: 204 };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/users\/([^/]+)\/roles$/,
    (call, id, user) => ({ body: { roles: roleRefs(call, id, profile(call, id, user).roleIds) } }),
  ],
  [
    "PUT",
    /^\/management\/v4\/([^/]+)\/users\/([^/]+)\/roles$/,
    (call, id, user) => {
      const found = profile(call, id, user);
      found.roleIds = call.body.roles.ids;
      return { body: { roles: roleRefs(call, id, found.roleIds) } };
    },
  ],
];

function application(call, id, clientId) {
  const found = tenant(call, id).applications.get(clientId);
  if (!found) throw management(404, "This application was not found.");
  return found;
}

function addApplication(state, owner, name, type) {
  const guid = owner.about.guid;
  const made = {
    clientId: randomUUID(),
    tenantId: guid,
    ...(type === "singlepageapp" ? {} : { secret: Buffer.from(randomUUID()).toString("base64") }),
    name,
    oAuthServerUrl: `${state.url}/oauth/v4/${guid}`,
    profilesUrl: state.url,
    discoveryEndpoint: `${state.url}/oauth/v4/${guid}/.well-known/openid-configuration`,
    type,
    scopes: [],
    roleIds: [],
  };
  owner.applications.set(made.clientId, made);
  return made;
}

const shownApplication = ({ scopes: _scopes, roleIds: _roleIds, ...shown }) => shown;
const withoutRoles = ({ roleIds: _roleIds, ...shown }) => shown;

function oneRole(call, id, roleId) {
  const found = tenant(call, id).roles.get(roleId);
  if (!found) throw management(404, "This role was not found.");
  return found;
}

function putRole(call, id, roleId) {
  const { name, description = "", access } = call.body;
  if (!name || !Array.isArray(access)) throw management(400, "name and access are required.");
  const { roles } = tenant(call, id);
  if ([...roles.values()].some((one) => one.name === name && one.id !== roleId)) {
    throw management(409, `A role with the name ${name} exists already.`);
  }
  const role = { id: roleId, name, description, access };
  roles.set(roleId, role);
  return role;
}

export function roleRefs(call, id, ids) {
  const { roles } = tenant(call, id);
  return ids.filter((one) => roles.has(one)).map((one) => ({ id: one, name: roles.get(one).name }));
}

function paged(call, all, most) {
  const start = Number(call.query.get("startIndex") ?? 0);
  const count = Math.min(most, Number(call.query.get("count") ?? most));
  const page = all.slice(start, start + count);
  return { totalResults: all.length, itemsPerPage: page.length, page };
}

function putConfig(call, id, family) {
  const { config } = tenant(call, id);
  if (family === "redirect_uris") {
    const bad = call.body.redirectUris.find((uri) => !/^https?:\/\//.test(uri));
    if (bad) throw management(400, `redirectUris: ${bad} is not an absolute http or https URL.`);
    config[family] = { redirectUris: call.body.redirectUris };
    return { status: 204 };
  }
  if (family === "cloud_directory/sso") {
    config[family] = call.body;
    return { status: 201, body: config[family] };
  }
  if (family === "tokens") {
    config[family] = { ...defaults(call.state.url, id).tokens, ...call.body };
    return { body: config[family] };
  }
  const { isActive, config: settings } = call.body;
  if (isActive && !settings)
    throw management(400, "The provider cannot be switched on before it is configured.");
  config[family] = { ...config[family], isActive, ...(settings && { config: settings }) };
  return { body: config[family] };
}

function duplicate(call, id) {
  const target = tenant(call, id);
  const source = tenant(call, call.body.sourceTenantId);
  const wanted = call.body.families ?? Object.keys(target.config).filter((one) => one !== "redirect_uris");
  const families = {};
  for (const family of Object.keys(target.config)) {
    const copied = { ...source.config[family] };
    if (copied.redirectURL) copied.redirectURL = target.config[family].redirectURL;
    if (!wanted.includes(family)) {
      if (!call.body.families) families[family] = "skipped";
    } else if (JSON.stringify(copied) === JSON.stringify(target.config[family]))
      families[family] = "unchanged";
    else {
      families[family] = target.config[family].config || !family.startsWith("idps/") ? "updated" : "created";
      if (!call.body.dryRun) target.config[family] = structuredClone(copied);
    }
  }
  const warnings = [];
  if (families["idps/saml"] === "created")
    warnings.push("SAML: tell the provider the entity ID of this instance.");
  const include = call.body.include ?? [];
  const body = { families, warnings };
  if (include.includes("applications")) {
    body.applications = [];
    for (const one of source.applications.values()) {
      const there = [...target.applications.values()].some((other) => other.name === one.name);
      body.applications.push({ name: one.name, outcome: there ? "unchanged" : "created" });
      if (!there && !call.body.dryRun)
        addApplication(call.state, target, one.name, one.type).scopes = one.scopes;
    }
  }
  if (include.includes("roles")) {
    body.roles = [];
    for (const role of source.roles.values()) {
      const there = [...target.roles.values()].some((other) => other.name === role.name);
      body.roles.push({ name: role.name, outcome: there ? "unchanged" : "created" });
      const made = { ...role, id: randomUUID(), access: [] };
      if (!there && !call.body.dryRun) target.roles.set(made.id, made);
    }
  }
  return { body };
}

function directoryUser(call, id, userId) {
  const found = tenant(call, id).directory.get(userId);
  if (!found) throw scim(404, "noTarget", "This user was not found.");
  return found;
}

export function addDirectoryUser(owner, user, password) {
  const email = user.emails?.[0]?.value ?? "";
  if (!/^[^@\s]+@[^@\s]+$/.test(email)) throw scim(400, "invalidValue", "The e-mail address is not valid.");
  const taken = [...owner.directory.values()].some(
    (one) => one.user.emails[0].value.toLowerCase() === email.toLowerCase(),
  );
  if (taken) throw scim(409, "uniqueness", "A user with this e-mail address exists already.");
  const now = new Date().toISOString();
  const id = randomUUID();
  const made = {
    user: {
      active: true,
      status: "PENDING",
      ...user,
      id,
      meta: { created: now, lastModified: now, resourceType: "User" },
    },
    password,
  };
  owner.directory.set(id, made);
  return made;
}

export function addProfile(owner, { user }) {
  const id = randomUUID();
  owner.directory.get(user.id).profileId = id;
  owner.profiles.set(id, {
    id,
    email: user.emails[0].value,
    name: user.displayName,
    identities: [{ provider: "cloud_directory", id: user.id }],
    attributes: {},
    roleIds: [],
  });
  return id;
}

function profile(call, id, userId) {
  const found = tenant(call, id).profiles.get(userId);
  if (!found) throw management(404, "This user was not found.");
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flag = process.argv.indexOf("--listen");
  const [host, port] = (flag > 0 ? process.argv[flag + 1] : "127.0.0.1:0").split(":");
  const mock = await startMock({ host, port: Number(port) });
  console.log(`listening on ${mock.url}/console/ with the API key ${mock.apiKey}`);
}
