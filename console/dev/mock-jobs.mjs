// The ledger of the mock server: jobs, their events, reports and files (docs/api/jobs.md).
import { randomUUID } from "node:crypto";
import { management, tenant } from "./mock-server.mjs";

const EVENTS_APART = 500;
export const ENDED = ["succeeded", "failed", "cancelled"];

export function ledger(call, id) {
  const owner = tenant(call, id);
  owner.jobs ??= new Map();
  return owner.jobs;
}

export function newJob(call, id, kind, about = {}) {
  const now = new Date().toISOString();
  const job = {
    id: randomUUID(),
    kind,
    state: "queued",
    counts: { total: null, done: 0, added: 0, updated: 0, skipped: 0, failed: 0, withoutPassword: 0 },
    bytes: 0,
    dryRun: false,
    onConflict: "fail",
    createdBy: `IBMid-${"a5540a7830574a89".repeat(2)}`,
    node: "mock-1",
    created: now,
    started: null,
    ended: null,
    expires: null,
    error: null,
    warnings: [],
    digest: null,
    ...about,
    // What is not shown.
    tenant: id,
    report: [],
    map: [],
    file: null,
    wanted: null,
    ranFor: 0,
    runningSince: 0,
    listeners: new Set(),
  };
  ledger(call, id).set(job.id, job);
  return job;
}

export function shown(call, job) {
  const {
    tenant: id,
    report,
    map: _map,
    file,
    wanted: _w,
    ranFor,
    runningSince,
    listeners: _l,
    ...about
  } = job;
  const seconds = (ranFor + (runningSince ? Date.now() - runningSince : 0)) / 1000;
  const rate = seconds > 0 && job.counts.done > 0 ? job.counts.done / seconds : null;
  const left = job.counts.total === null ? null : job.counts.total - job.counts.done;
  const here = `${call.state.url}/management/v4/${id}/jobs/${job.id}`;
  return {
    ...about,
    rate,
    secondsLeft: left !== null && rate ? Math.round(left / rate) : null,
    reportUrl: report.length > 0 ? `${here}/report` : null,
    downloadUrl: file ? `${here}/download` : null,
  };
}

export function run(job) {
  job.state = "running";
  job.wanted = null;
  job.runningSince = Date.now();
  job.started ??= new Date().toISOString();
  changed(job);
}

export function stop(job, state, more = {}) {
  if (job.runningSince) job.ranFor += Date.now() - job.runningSince;
  job.runningSince = 0;
  Object.assign(job, { state, ...more });
  if (ENDED.includes(state)) {
    job.ended = new Date().toISOString();
    job.expires = new Date(Date.now() + (job.keptFor ?? 7) * 86400_000).toISOString();
  }
  changed(job);
}

export function changed(job) {
  for (const listener of job.listeners) listener();
}

/** Whether someone wants the job to stop; it then has. */
export function stopped(job) {
  if (!job.wanted) return false;
  stop(job, job.wanted === "pause" ? "paused" : "cancelled");
  return true;
}

function found(call, id, job) {
  const known = ledger(call, id).get(job);
  if (!known) throw management(404, "This job was not found.");
  return known;
}

function events(call, id, jobId) {
  const job = found(call, id, jobId);
  const { response } = call;
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  let timer = null;
  const send = () => {
    timer = null;
    response.write(`event: job\ndata: ${JSON.stringify(shown(call, job))}\n\n`);
    if (ENDED.includes(job.state) || job.state === "paused") end();
  };
  const listener = () => (timer ??= setTimeout(send, EVENTS_APART));
  const end = () => {
    clearTimeout(timer);
    job.listeners.delete(listener);
    response.end();
  };
  response.on("close", end);
  job.listeners.add(listener);
  send();
  return { written: true };
}

const ndjson = (records) => ({
  raw: records.map((one) => `${JSON.stringify(one)}\n`).join(""),
  headers: { "Content-Type": "application/x-ndjson" },
});

export const JOB_ROUTES = [
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/jobs$/,
    (call, id) => {
      const { query } = call;
      const all = [...ledger(call, id).values()]
        .reverse()
        .filter((job) => !query.get("state") || job.state === query.get("state"))
        .filter((job) => !query.get("kind") || job.kind === query.get("kind"));
      const start = query.get("after") ? all.findIndex((job) => job.id === query.get("after")) + 1 : 0;
      const size = Math.min(200, Number(query.get("count") ?? 50));
      const jobs = all.slice(start, start + size);
      const more = start + size < all.length;
      return { body: { jobs: jobs.map((job) => shown(call, job)), ...(more && { next: jobs.at(-1).id }) } };
    },
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/jobs\/([^/]+)$/,
    (call, id, job) => ({ body: shown(call, found(call, id, job)) }),
  ],
  ["GET", /^\/management\/v4\/([^/]+)\/jobs\/([^/]+)\/events$/, events],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/jobs\/([^/]+)\/report$/,
    (call, id, job) => ndjson(found(call, id, job).report),
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/jobs\/([^/]+)\/map$/,
    (call, id, job) => ndjson(found(call, id, job).map),
  ],
  [
    "GET",
    /^\/management\/v4\/([^/]+)\/jobs\/([^/]+)\/download$/,
    (call, id, job) => {
      const { file } = found(call, id, job);
      if (!file) throw management(404, "This job has no file.");
      return { raw: file, headers: { "Content-Type": "application/octet-stream" } };
    },
  ],
  [
    "POST",
    /^\/management\/v4\/([^/]+)\/jobs\/([^/]+)\/(pause|resume)$/,
    async (call, id, jobId, action) => {
      const job = found(call, id, jobId);
      const live = job.state === "queued" || job.state === "running";
      if (action === "pause") {
        if (ENDED.includes(job.state)) throw management(409, "The job has ended.", "INVALID_STATE");
        if (live) job.wanted = "pause";
      } else {
        if (job.state !== "paused") throw management(409, "The job is not paused.", "INVALID_STATE");
        if (!job.work) {
          throw management(409, "The import came as a stream. Send its body again.", "NEEDS_INPUT");
        }
        void job.work();
      }
      return { body: shown(call, job) };
    },
  ],
  [
    "DELETE",
    /^\/management\/v4\/([^/]+)\/jobs\/([^/]+)$/,
    (call, id, jobId) => {
      const job = found(call, id, jobId);
      if (ENDED.includes(job.state)) ledger(call, id).delete(job.id);
      else if (job.state === "paused") stop(job, "cancelled");
      else job.wanted = "cancel";
      return { status: 204 };
    },
  ],
];
