import { ApiError } from "./errors";
import { lines, serverEvents } from "./lines";
import { at } from "./management";
import { open, request, segment } from "./request";

// Shapes follow docs/api/jobs.md. Every function takes the instance's GUID first.

export type JobKind =
  "directory_import" | "users_import" | "bundle_import" | "directory_export" | "bundle_export";

export type JobState = "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";

export interface JobCounts {
  total: number | null;
  done: number;
  added: number;
  updated: number;
  skipped: number;
  failed: number;
  withoutPassword: number;
}

export interface Job {
  id: string;
  kind: JobKind;
  state: JobState;
  counts: JobCounts;
  rate: number | null;
  secondsLeft: number | null;
  bytes: number | null;
  dryRun: boolean;
  onConflict?: ConflictPolicy | null;
  /** The predicate of an export of a part. */
  where?: string | null;
  /** Whether nothing happens before its body is sent again. */
  waitsForInput?: boolean;
  /** Of a paused job: whether somebody asked for it, or its sender is gone. */
  pausedBy?: "person" | "sender";
  createdBy: string | null;
  node: string | null;
  created: string;
  started: string | null;
  ended: string | null;
  expires: string | null;
  error: { code: string; message: string; record?: number | null } | null;
  warnings: string[];
  digest: string | null;
  reportUrl: string | null;
  downloadUrl: string | null;
}

/** What is done with a user of a file who exists already. */
export type ConflictPolicy = "fail" | "skip" | "update";

export interface JobPage {
  jobs: Job[];
  next?: string | null;
}

/** A record that was not simply added. */
export interface ReportLine {
  index?: number;
  outcome?: string;
  code?: string;
  message?: string;
  originalId?: string;
  id?: string;
  idp?: string;
  email?: string;
  userName?: string;
}

export function hasEnded(job: Job): boolean {
  return job.state === "succeeded" || job.state === "failed" || job.state === "cancelled";
}

export function isLive(job: Job): boolean {
  return job.state === "queued" || job.state === "running";
}

export function listJobs(
  tenant: string,
  search: { state?: string; after?: string; count?: number },
): Promise<JobPage> {
  return request(at(tenant, "jobs"), { query: search });
}

export function getJob(tenant: string, id: string): Promise<Job> {
  return request(jobAt(tenant, id));
}

export function pauseJob(tenant: string, id: string): Promise<Job> {
  return request(jobAt(tenant, id, "/pause"), { method: "POST" });
}

export function resumeJob(tenant: string, id: string): Promise<Job> {
  return request(jobAt(tenant, id, "/resume"), { method: "POST" });
}

/** Lets a job take its file again: what a person paused takes nothing before it is resumed. */
export async function letSend(tenant: string, id: string): Promise<void> {
  const job = await getJob(tenant, id).catch((error: unknown) => {
    // Nothing of it may have arrived.
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  });
  if (job?.state === "paused" && job.pausedBy === "person") await resumeJob(tenant, id);
}

/** Cancels a job that is not over yet; takes one that has ended off the ledger. */
export function deleteJob(tenant: string, id: string): Promise<void> {
  return request(jobAt(tenant, id), { method: "DELETE" });
}

/** The answer of a job's report, id map or file, with its body unread. */
export function openJobFile(
  tenant: string,
  id: string,
  what: "report" | "map" | "download",
  signal?: AbortSignal,
): Promise<Response> {
  return open(jobAt(tenant, id, `/${what}`), { headers: { Accept: "*/*" }, signal });
}

/** The first lines of a job's report, and whether there are more. The rest is not fetched. */
export async function readReport(
  tenant: string,
  id: string,
  most: number,
): Promise<{ lines: ReportLine[]; more: boolean }> {
  const { body } = await openJobFile(tenant, id, "report");
  const read: ReportLine[] = [];
  if (!body) return { lines: read, more: false };
  for await (const line of lines(body)) {
    if (!line.trim()) continue;
    if (read.length === most) return { lines: read, more: true };
    read.push(JSON.parse(line) as ReportLine);
  }
  return { lines: read, more: false };
}

/** Milliseconds between two looks at a job whose events cannot be had. */
const LOOK_AGAIN = 2000;
/** Milliseconds for a job that is about to be made to be there. */
const NOT_THERE_YET = 400;
/** Milliseconds without a line, not even one that keeps the connection alive, after which something is taken to hold them back. */
const SILENCE = 40_000;

/**
 * Tells every change of a job until it has ended or is paused: by its events, and by looking where they do not come through.
 * With `expected`, a job that is not there yet is waited for.
 */
export async function watchJob(asked: {
  tenant: string;
  id: string;
  expected?: boolean;
  signal: AbortSignal;
  told: (job: Job) => void;
}): Promise<void> {
  const { tenant, id, signal } = asked;
  let { expected = false } = asked;
  let latest: Job | undefined;
  const told = (job: Job) => {
    expected = false;
    latest = job;
    asked.told(job);
  };
  while (!signal.aborted) {
    let wait = LOOK_AGAIN;
    try {
      await hearJob(tenant, id, signal, told);
    } catch {
      if (signal.aborted) return;
      try {
        told(await getJob(tenant, id));
      } catch (error) {
        const status = error instanceof ApiError ? error.status : 0;
        if (status === 404 && expected) wait = NOT_THERE_YET;
        else if (status >= 400 && status < 429) throw error;
      }
    }
    if (latest && !isLive(latest)) return;
    await sleep(wait, signal);
  }
}

async function hearJob(tenant: string, id: string, signal: AbortSignal, told: (job: Job) => void) {
  const silence = new AbortController();
  let timer = 0;
  const listen = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => silence.abort(), SILENCE);
  };
  const stop = () => silence.abort();
  signal.addEventListener("abort", stop);
  listen();
  try {
    const answer = await open(jobAt(tenant, id, "/events"), {
      headers: { Accept: "text/event-stream" },
      signal: silence.signal,
    });
    const type = answer.headers.get("Content-Type") ?? "";
    if (!answer.body || !type.startsWith("text/event-stream")) throw new Error("There are no events.");
    for await (const { event, data } of serverEvents(answer.body, listen)) {
      if (event === "job") told(JSON.parse(data) as Job);
    }
  } finally {
    window.clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

/** Waits, and no longer than until `signal` says so. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = window.setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => (window.clearTimeout(timer), done()), { once: true });
  });
}

function jobAt(tenant: string, id: string, rest = ""): string {
  return at(tenant, `jobs/${segment(id)}${rest}`);
}
