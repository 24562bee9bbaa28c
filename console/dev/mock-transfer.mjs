// Streams, large calls and bundles of the mock server (docs/api/jobs.md).
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  randomBytes,
  randomUUID,
  scryptSync,
} from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { addDirectoryUser, addProfile, management, Refused, roleRefs, scim, tenant } from "./mock-server.mjs";
import { changed, ENDED, ledger, newJob, run, shown, stop, stopped } from "./mock-jobs.mjs";

const CHECKPOINT = 1000;
/** Milliseconds that a checkpoint takes, so that there is something to watch. */
const CHECKPOINT_TAKES = 60;
/** Steps in which an export is made. */
const STEPS = 12;

// Secrets and records

function secretOf(call) {
  const header = call.headers["x-vestibule-encryption-secret"];
  const secret = header
    ? Buffer.from(header, "latin1").toString("utf8")
    : call.query.get("encryption_secret");
  if (!secret) throw scim(400, "invalidValue", "encryption_secret is required.");
  return secret;
}

const keys = new Map();
function keyOf(secret) {
  if (!keys.has(secret)) keys.set(secret, scryptSync(secret, "mock", 32));
  return keys.get(secret);
}

function seal(text, key) {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(sealed).toString("base64");
}

function opened(text, key) {
  const sealed = Buffer.from(text ?? "", "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12));
    decipher.setAuthTag(sealed.subarray(-16));
    return decipher.update(sealed.subarray(12, -16), undefined, "utf8") + decipher.final("utf8");
  } catch {
    return undefined;
  }
}

function directoryRecords(call, id, key) {
  const owner = tenant(call, id);
  return [...owner.directory.values()].map(({ user, password, profileId }) => {
    const { id: originalId, ...scimUser } = user;
    const known = owner.profiles.get(profileId);
    return {
      scimUser: { ...scimUser, originalId },
      passwordHash: seal(password ?? "", key),
      passwordHashAlg: "mock",
      profile: { attributes: known?.attributes ?? {} },
      roles: roleRefs(call, id, known?.roleIds ?? []).map((role) => role.name),
    };
  });
}

function profileRecords(call, id) {
  return [...tenant(call, id).profiles.values()]
    .filter((one) => one.identities[0]?.provider !== "cloud_directory")
    .map(({ roleIds, ...one }) => ({ ...one, roles: roleRefs(call, id, roleIds).map((role) => role.name) }));
}

/** Whom a predicate takes. Of the language, the mock knows one form. */
function chosen(where, records) {
  if (!where) return records;
  const found = /^emailDomain == "([^"]*)"$/.exec(where.trim());
  if (!found) throw management(400, `where: “${where}” is not understood.`, "INVALID_PREDICATE");
  return records.filter((one) =>
    (one.scimUser?.emails?.[0]?.value ?? one.email ?? "").endsWith(`@${found[1]}`),
  );
}

const digestOf = (data) => createHash("sha256").update(data).digest("hex");

// Export

function exportStream(call, id, what) {
  const all = what === "users" ? profileRecords(call, id) : directoryRecords(call, id, keyOf(secretOf(call)));
  const records = chosen(call.query.get("where"), all);
  const lines = records.map((one) => `${JSON.stringify(one)}\n`);
  if (call.query.get("summary")) {
    const summary = { users: lines.length, digest: digestOf(lines.join("")), moments: 1, lost: {} };
    lines.push(`${JSON.stringify({ summary })}\n`);
  }
  return { raw: lines.join(""), headers: { "Content-Type": "application/x-ndjson" } };
}

/** Starts a job that makes a file of `records` in steps. */
function exportJob(call, id, { kind, records, file, keptFor }) {
  const job = newJob(call, id, kind, { onConflict: null, keptFor });
  job.counts.total = records.length;
  job.work = async () => {
    run(job);
    while (job.counts.done < records.length) {
      await sleep(CHECKPOINT_TAKES * 2);
      if (stopped(job)) return;
      const step = Math.max(1, Math.ceil(records.length / STEPS));
      job.counts.done = Math.min(records.length, job.counts.done + step);
      job.counts.added = job.counts.done;
      changed(job);
    }
    job.file = file();
    job.digest = digestOf(job.file);
    stop(job, "succeeded");
  };
  void job.work();
  return job;
}

function exportAll(call, id) {
  const { encryptionSecret, emailAddress, expires = 7 } = call.body;
  if (!encryptionSecret || !emailAddress) throw scim(400, "invalidValue", "emailAddress is required.");
  const records = directoryRecords(call, id, keyOf(encryptionSecret));
  const file = () => Buffer.from(JSON.stringify(records));
  const job = exportJob(call, id, { kind: "directory_export", records, file, keptFor: expires });
  return { status: 202, body: { id: job.id } };
}

function exportBundle(call, id) {
  const { encryptionSecret, where, expires = 7 } = call.body;
  if (!encryptionSecret) throw management(400, "encryptionSecret is required.");
  const key = keyOf(encryptionSecret);
  const records = chosen(where, [...directoryRecords(call, id, key), ...profileRecords(call, id)]);
  const head = { vbundle: 1, check: seal("bundle", key) };
  const file = () => Buffer.from([head, ...records].map((one) => JSON.stringify(one)).join("\n"));
  const job = exportJob(call, id, { kind: "bundle_export", records, file, keptFor: expires });
  return { status: 202, body: shown(call, job) };
}

// Import

/** What an import does with one record: an outcome and what the report says of it. */
function applier(call, id, asked) {
  const owner = tenant(call, id);
  const byEmail = new Map(
    [...owner.directory.values()].map((one) => [one.user.emails[0].value.toLowerCase(), one]),
  );
  const byIdentity = new Map(
    [...owner.profiles.values()].flatMap((one) =>
      one.identities.map((identity) => [`${identity.provider} ${identity.id}`, one]),
    ),
  );
  const roleIds = (names = []) =>
    [...owner.roles.values()].filter((one) => names.includes(one.name)).map((one) => one.id);
  const failed = (code, message, more) => ({ outcome: "failed", code, message, ...more });
  const known = (code, there, line, change) => {
    if (asked.onConflict === "skip") return { outcome: "skipped", code, ...line, id: there };
    if (asked.onConflict !== "update") return failed(code, undefined, { ...line, id: there });
    if (!asked.dryRun) change();
    return { outcome: "updated", ...line, id: there };
  };
  const directory = ({ scimUser, passwordHash, profile: about, roles }) => {
    if (!scimUser) return failed("invalid_record", "scimUser is missing.");
    const { originalId, ...user } = scimUser;
    const email = user.emails?.[0]?.value;
    const line = { originalId, email, userName: user.userName };
    const password = opened(passwordHash, asked.key);
    if (password !== undefined) asked.opens = true;
    else if (passwordHash && !asked.opens) {
      const message = "The encryption secret opens none of the first password hashes. Nothing was imported.";
      throw Object.assign(new Error(message), { refusal: "WRONG_SECRET" });
    }
    const there = byEmail.get(email?.toLowerCase());
    if (there) return known("uniqueness", there.user.id, line, () => Object.assign(there.user, user));
    if (password === undefined && !asked.withoutPassword) {
      return failed("wrong_secret", "The secret opens none of this user's hash.", line);
    }
    let made = { user: { emails: [{ value: email ?? "" }], id: originalId } };
    try {
      if (!asked.dryRun) {
        made = addDirectoryUser(owner, user, password);
        const kept = owner.profiles.get(addProfile(owner, made));
        kept.attributes = about?.attributes ?? {};
        kept.roleIds = roleIds(roles);
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return failed("invalid_record", error.body.detail, line);
    }
    byEmail.set(email.toLowerCase(), made);
    asked.moved?.("directory", originalId, made.user.id);
    return password === undefined
      ? { outcome: "without_password", code: "wrong_secret", ...line, id: made.user.id }
      : { outcome: "added" };
  };
  const federated = ({ roles, ...user }) => {
    const identity = user.identities?.[0];
    const line = { originalId: user.id, idp: identity?.provider, email: user.email };
    if (!identity) return failed("no_identity", undefined, line);
    const there = byIdentity.get(`${identity.provider} ${identity.id}`);
    if (there)
      return known("conflict", there.id, line, () => Object.assign(there, { ...user, id: there.id }));
    const made = { attributes: {}, ...user, id: randomUUID(), roleIds: roleIds(roles) };
    byIdentity.set(`${identity.provider} ${identity.id}`, made);
    if (!asked.dryRun) owner.profiles.set(made.id, made);
    asked.moved?.("profile", user.id, made.id);
    return { outcome: "added" };
  };
  return (record) => {
    if (record === null) return failed("invalid_json", "The line is not valid JSON.");
    if (asked.what === "users") return federated(record);
    if (asked.what === "cloud_directory") return directory(record);
    return record.scimUser ? directory(record) : federated(record);
  };
}

/** Applies records in checkpoints. Answers whether it came to their end. */
async function applyAll(job, records, apply) {
  let waiting = [];
  const checkpoint = async () => {
    await sleep(CHECKPOINT_TAKES);
    for (const record of waiting) {
      const index = job.counts.done;
      const { outcome, ...line } = apply(record);
      job.counts.done += 1;
      job.counts[outcome === "without_password" ? "added" : outcome] += 1;
      if (outcome === "without_password") job.counts.withoutPassword += 1;
      if (outcome !== "added") job.report.push({ index, outcome, ...line });
    }
    waiting = [];
    changed(job);
  };
  for await (const record of records) {
    waiting.push(record);
    if (waiting.length < CHECKPOINT) continue;
    await checkpoint();
    if (stopped(job)) return false;
  }
  await checkpoint();
  return !stopped(job);
}

/** The records of a body as it arrives: a line each, or all at the end where it is an array or an export object. */
async function* recordsOf(body, read) {
  let rest = "";
  let byLine;
  for await (const chunk of body) {
    read(chunk.length);
    rest += chunk.toString("utf8");
    byLine ??= lineByLine(rest);
    if (!byLine) continue;
    const whole = rest.split("\n");
    rest = whole.pop();
    for (const line of whole) if (line.trim()) yield parsed(line);
  }
  if (byLine ?? lineByLine(`${rest}\n`)) {
    if (rest.trim()) yield parsed(rest);
    return;
  }
  const all = parsed(rest);
  const users = Array.isArray(all) ? all : all?.users;
  if (!users) {
    throw Object.assign(new Error("the input ends before its last bracket"), {
      refusal: "TRUNCATED_INPUT",
    });
  }
  yield* users;
}

function lineByLine(text) {
  if (!text.includes("\n")) return undefined;
  const first = parsed(text.slice(0, text.indexOf("\n")));
  return first !== null && !Array.isArray(first) && !("users" in first);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function* after(number, records) {
  let seen = 0;
  for await (const record of records) if (seen++ >= number) yield record;
}

async function importStream(call, id, what) {
  const { query, request } = call;
  const asked = {
    what,
    key: what === "cloud_directory" ? keyOf(secretOf(call)) : undefined,
    onConflict: query.get("on_conflict") ?? "fail",
    withoutPassword: query.get("without_password") === "true",
    dryRun: query.get("dry_run") === "true",
  };
  const kind = what === "users" ? "users_import" : "directory_import";
  const wanted = query.get("job") ?? randomUUID();
  const { dryRun, onConflict } = asked;
  const job = ledger(call, id).get(wanted) ?? newJob(call, id, kind, { id: wanted, dryRun, onConflict });
  if (ENDED.includes(job.state)) return { body: shown(call, job) };
  const from = Number(query.get("from") ?? 0);
  if (from > job.counts.done) throw management(409, "Records are left out.", "GAP");
  run(job);
  const body = call.headers["content-encoding"] === "gzip" ? request.pipe(createGunzip()) : request;
  try {
    const records = after(
      job.counts.done - from,
      recordsOf(body, (bytes) => (job.bytes += bytes)),
    );
    if (await applyAll(job, records, applier(call, id, asked))) {
      job.counts.total = job.counts.done;
      stop(job, "succeeded");
    } else request.resume();
  } catch (error) {
    if (error.refusal) {
      const { done: record } = job.counts;
      stop(job, "failed", { error: { code: error.refusal, message: error.message, record } });
      throw management(400, error.message, error.refusal);
    }
    stop(job, "paused");
  }
  return { body: shown(call, job) };
}

async function importBundle(call, id) {
  const chunks = [];
  for await (const chunk of call.request) chunks.push(chunk);
  const [head, ...records] = Buffer.concat(chunks).toString("utf8").split("\n").map(parsed);
  const key = keyOf(secretOf(call));
  const asked = {
    key,
    onConflict: call.query.get("on_conflict") ?? "fail",
    dryRun: call.query.get("dry_run") === "true",
  };
  const { dryRun, onConflict } = asked;
  const job = newJob(call, id, "bundle_import", { dryRun, onConflict });
  if (call.query.get("ids") === "remap") {
    asked.moved = (kind, from, to) => job.map.push({ kind, from, to });
  }
  job.counts.total = records.length;
  job.bytes = Buffer.concat(chunks).length;
  job.work = async () => {
    run(job);
    await sleep(CHECKPOINT_TAKES * 5);
    if (stopped(job)) return;
    const error = bundleProblem(head, key);
    if (error) return stop(job, "failed", { error });
    const rest = records.slice(job.counts.done);
    if (await applyAll(job, rest, applier(call, id, asked))) stop(job, "succeeded");
  };
  void job.work();
  return { status: 202, body: shown(call, job) };
}

function bundleProblem(head, key) {
  if (head?.vbundle !== 1) {
    return {
      code: "NOT_A_BUNDLE",
      message: "the file is not a bundle. Nothing was imported of it.",
      record: null,
    };
  }
  if (opened(head.check, key) !== undefined) return null;
  const message =
    "the encryption secret is not the one the bundle was sealed with. Nothing was imported of it.";
  return { code: "WRONG_SECRET", message, record: null };
}

/** Routes whose body is read as it arrives. */
export const STREAM_ROUTES = [
  ["POST", /^\/management\/v4\/([^/]+)\/(cloud_directory|users)\/import\/stream$/, importStream],
  ["POST", /^\/management\/v4\/([^/]+)\/bundle\/import$/, importBundle],
];

export const TRANSFER_ROUTES = [
  ["GET", /^\/management\/v4\/([^/]+)\/(cloud_directory|users)\/export\/stream$/, exportStream],
  ["POST", /^\/management\/v4\/([^/]+)\/cloud_directory\/export\/all$/, exportAll],
  ["POST", /^\/management\/v4\/([^/]+)\/bundle\/export$/, exportBundle],
];
