import { useSyncExternalStore } from "react";
import { ApiError, sentenceOf } from "../../api/errors";
import { deleteJob, getJob, hasEnded, letSend, sleep, type Job } from "../../api/jobs";
import { keepingAwake, snapshot, subscribe as subscribeToSession } from "../../api/session";
import { sendUsers, type ImportPolicy, type UserKind } from "../../api/transfer";
import type { ImportFile } from "./import-file";

// Files that this window sends. They are kept here and not in a page, so that a person can look at other pages meanwhile. The
// secret is not part of it: it is held by the call alone and goes with it.

export interface Upload {
  job: string;
  tenant: string;
  kind: UserKind;
  file: File;
  encoding: ImportFile["encoding"];
  /** How many users the file holds, where it was small enough to look. */
  users: number | undefined;
  policy: ImportPolicy;
  dryRun: boolean;
  /** Whether the job had begun before. */
  resumed: boolean;
  /** `broken`: the sending broke off and the job can go on; `refused`: the service took nothing; `answered`: the file was read. */
  phase: "sending" | "broken" | "refused" | "answered";
  /** Bytes that are on their way. */
  sent: number;
  error: string;
  answer: Job | undefined;
}

export type UploadDraft = Pick<
  Upload,
  "job" | "tenant" | "kind" | "file" | "encoding" | "users" | "policy" | "dryRun" | "resumed"
>;

let uploads: readonly Upload[] = [];
const calls = new Map<string, AbortController>();
const listeners = new Set<() => void>();

subscribeToSession(() => {
  if (snapshot().signedIn) return;
  for (const call of calls.values()) call.abort();
  publish([]);
});

// Closing the window would break off what is being sent; the browser asks first.
window.addEventListener("beforeunload", (event) => {
  if (uploads.some((one) => one.phase === "sending")) event.preventDefault();
});

/** The upload of a job, if it is this window that sends or sent it. */
export function useUpload(job: string): Upload | undefined {
  return useUploads().find((one) => one.job === job);
}

export function useUploads(): readonly Upload[] {
  return useSyncExternalStore(subscribe, () => uploads);
}

/** Sends a file; the same call with the same job goes on with it. */
export async function startUpload(draft: UploadDraft, secret: string): Promise<void> {
  const { job } = draft;
  calls.get(job)?.abort();
  const call = new AbortController();
  calls.set(job, call);
  const begun: Upload = { ...draft, phase: "sending", sent: 0, error: "", answer: undefined };
  publish([...uploads.filter((one) => one.job !== job), begun]);
  const change = (change: Partial<Upload>) => {
    if (calls.get(job) !== call) return;
    publish(uploads.map((one) => (one.job === job ? { ...one, ...change } : one)));
  };
  await keepingAwake(async () => {
    try {
      if (draft.resumed) await letSend(draft.tenant, job);
      const answer = await sendUsers({
        ...draft,
        secret,
        signal: call.signal,
        onSent: (sent) => change({ sent }),
      });
      change({ phase: "answered", answer });
    } catch (error) {
      change(await outcomeOf(error, call.signal.aborted, draft));
    }
  });
  if (calls.get(job) === call) calls.delete(job);
}

/** Breaks off the sending. The job is then paused at its last checkpoint. */
export function stopUpload(job: string): void {
  calls.get(job)?.abort();
}

/** Milliseconds between two looks at a job that is to be cancelled, and how many there are. */
const ENDING = 500;
const LOOKS = 10;

/** Cancels a job and stops sending its file. Breaking off may pause the job before it is cancelled: then it is said again. */
export async function cancelUpload(tenant: string, job: string): Promise<void> {
  await deleteJob(tenant, job);
  stopUpload(job);
  for (let look = 0; look < LOOKS; look += 1) {
    const answer = await getJob(tenant, job);
    if (hasEnded(answer)) {
      publish(uploads.map((one) => (one.job === job ? { ...one, phase: "answered", answer } : one)));
      return;
    }
    if (answer.state === "paused") await deleteJob(tenant, job);
    else await sleep(ENDING, new AbortController().signal);
  }
}

/** Forgets a file that is not being sent any more. */
export function forgetUpload(job: string): void {
  publish(uploads.filter((one) => one.job !== job || one.phase === "sending"));
}

/** What an error of the sending means: the ledger knows what was done before it. */
async function outcomeOf(error: unknown, stopped: boolean, draft: UploadDraft): Promise<Partial<Upload>> {
  const status = error instanceof ApiError ? error.status : 0;
  const job = await getJob(draft.tenant, draft.job).catch(() => undefined);
  // A job that ended early reads no further, which looks like a broken connection from here.
  if (job && hasEnded(job)) return { phase: "answered", answer: job };
  const begun = draft.resumed || (job?.counts.done ?? 0) > 0;
  if (!stopped && !begun && status >= 400 && status < 500) {
    return { phase: "refused", error: sentenceOf(error) };
  }
  return { phase: "broken", error: stopped ? "" : sentenceOf(error) };
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function publish(next: readonly Upload[]): void {
  uploads = next;
  for (const listener of listeners) listener();
}
