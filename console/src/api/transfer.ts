import type { ConflictPolicy, Job } from "./jobs";
import { at, searchDirectory } from "./management";
import { open, request } from "./request";
import { upload } from "./upload";

// Moving users in large numbers: streams, jobs that make a file, bundles (docs/api/jobs.md).

export type UserKind = "directory" | "profiles";

/** How an import deals with a user of the file who exists already, or whose password hash cannot be used. */
export interface ImportPolicy {
  onConflict: ConflictPolicy;
  withoutPassword: boolean;
}

/** The header that carries the secret of a directory export, so that it never stands in a URL that someone logs. */
const SECRET_HEADER = "X-Vestibule-Encryption-Secret";

/** How many users an export of everybody would hold. */
export async function countUsers(tenant: string, kind: UserKind): Promise<number | undefined> {
  if (kind === "directory") {
    return (await searchDirectory(tenant, "", { startIndex: 0, count: 1 })).totalResults;
  }
  const page = await request<{ totalResults?: number }>(at(tenant, "users/export"), {
    query: { startIndex: 0, count: 1 },
  });
  return page.totalResults;
}

/** The users of an instance as NDJSON, with a summary in the last line. */
export function openUsers(
  tenant: string,
  kind: UserKind,
  asked: { secret: string; where: string; signal: AbortSignal },
): Promise<Response> {
  const path = kind === "directory" ? "cloud_directory/export/stream" : "users/export/stream";
  return open(at(tenant, path), {
    query: { summary: true, where: asked.where },
    headers: {
      Accept: "application/x-ndjson",
      ...(kind === "directory" && secretHeader(asked.secret)),
    },
    signal: asked.signal,
  });
}

/** Sends a file of users under a job's id, which the sender chooses, and answers the job when the file is read to its end. */
export function sendUsers(asked: {
  tenant: string;
  kind: UserKind;
  job: string;
  file: Blob;
  encoding: string;
  secret: string;
  policy: ImportPolicy;
  dryRun: boolean;
  signal: AbortSignal;
  onSent: (bytes: number) => void;
}): Promise<Job> {
  const { tenant, kind, job, policy } = asked;
  const directory = kind === "directory";
  return upload(at(tenant, directory ? "cloud_directory/import/stream" : "users/import/stream"), {
    file: asked.file,
    query: {
      job,
      // What is App ID's own behaviour is not spelled out.
      on_conflict: policy.onConflict === "fail" ? undefined : policy.onConflict,
      without_password: (directory && policy.withoutPassword) || undefined,
      dry_run: asked.dryRun || undefined,
    },
    headers: {
      "Content-Type": "application/json",
      ...(asked.encoding && { "Content-Encoding": asked.encoding }),
      ...(directory && secretHeader(asked.secret)),
    },
    signal: asked.signal,
    onSent: asked.onSent,
  }) as Promise<Job>;
}

/** Has the service make a file of all directory users. */
export function startDirectoryExport(
  tenant: string,
  asked: { encryptionSecret: string; emailAddress: string; expires: number },
): Promise<{ id: string }> {
  return request(at(tenant, "cloud_directory/export/all"), { method: "POST", body: asked });
}

export function startBundleExport(
  tenant: string,
  asked: { encryptionSecret: string; where?: string; expires: number },
): Promise<Job> {
  return request(at(tenant, "bundle/export"), { method: "POST", body: asked });
}

export function sendBundle(asked: {
  tenant: string;
  file: Blob;
  secret: string;
  ids: "keep" | "remap";
  onConflict: ConflictPolicy;
  dryRun: boolean;
  signal: AbortSignal;
  onSent: (bytes: number) => void;
}): Promise<Job> {
  return upload(at(asked.tenant, "bundle/import"), {
    file: asked.file,
    query: {
      ids: asked.ids,
      on_conflict: asked.onConflict === "fail" ? undefined : asked.onConflict,
      dry_run: asked.dryRun || undefined,
    },
    headers: { "Content-Type": "application/octet-stream", ...secretHeader(asked.secret) },
    signal: asked.signal,
    onSent: asked.onSent,
  }) as Promise<Job>;
}

/** Why a secret cannot be sent, or `""`. A request header keeps neither spaces at its ends nor control characters. */
export function secretProblem(secret: string): string {
  if (secret !== secret.trim()) return "Leave out the space at the start or the end.";
  return /\p{Cc}/u.test(secret) ? "Use characters that can be seen." : "";
}

/** The service reads the header as UTF-8; the browser takes one character for each byte. */
function secretHeader(secret: string): Record<string, string> {
  return { [SECRET_HEADER]: String.fromCharCode(...new TextEncoder().encode(secret)) };
}
