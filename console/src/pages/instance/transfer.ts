import { exportPage, importChunk, type ImportPolicy, type UserKind } from "../../api/management";
import { keepingAwake } from "../../api/session";

/** Users a call carries: the most that the service takes for directory users. */
export const CHUNK = 50;

export interface ExportProgress {
  done: number;
  total: number | undefined;
}

export interface ExportResult {
  /** The file, in pieces: one text per user and the frame around them. */
  parts: string[];
  users: number;
  total: number | undefined;
  cancelled: boolean;
}

/** Fetches every user page by page, and makes one JSON object of them in the shape that import takes back. */
export function exportUsers(asked: {
  tenant: string;
  kind: UserKind;
  secret: string;
  onProgress: (progress: ExportProgress) => void;
  cancelled: () => boolean;
}): Promise<ExportResult> {
  return keepingAwake(async () => {
    const texts: string[] = [];
    let total: number | undefined;
    let cancelled = false;
    for (;;) {
      const page = await exportPage(asked.tenant, asked.kind, asked.secret, {
        startIndex: texts.length,
        count: CHUNK,
      });
      for (const user of page.users) texts.push(JSON.stringify(user));
      total = page.totalResults ?? total;
      asked.onProgress({ done: texts.length, total });
      const last = total === undefined ? page.users.length < CHUNK : texts.length >= total;
      if (last || page.users.length === 0) break;
      if (asked.cancelled()) {
        cancelled = true;
        break;
      }
    }
    const count = texts.length;
    const head = `{"itemsPerPage":${count},"totalResults":${count},"requestOptions":{},"users":[\n`;
    return { parts: [head, texts.join(",\n"), "\n]}\n"], users: count, total, cancelled };
  });
}

export interface ImportFile {
  name: string;
  users: unknown[];
}

/** Reads a file that export wrote: an object with `users`, or the bare array. Throws a sentence. */
export async function readImportFile(file: File, kind: UserKind): Promise<ImportFile> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not a whole JSON file. It may have been cut off while it was copied.`);
  }
  const users = Array.isArray(parsed) ? parsed : (parsed as { users?: unknown } | null)?.users;
  if (!Array.isArray(users)) throw new Error(`${file.name} holds no list of users.`);
  if (users.length === 0) throw new Error(`${file.name} holds no user.`);
  const looksLikeDirectory = has(users[0], "scimUser");
  if (kind === "directory" && !looksLikeDirectory) {
    throw new Error(
      has(users[0], "identities")
        ? `${file.name} holds profiles, not directory users. Import it under “Federated and all profiles”.`
        : `${file.name} does not look like an export of directory users.`,
    );
  }
  if (kind === "profiles" && looksLikeDirectory) {
    throw new Error(`${file.name} holds directory users, not profiles. Import it under “Directory users”.`);
  }
  return { name: file.name, users };
}

export interface ImportProgress {
  /** Users whose chunk was answered. */
  done: number;
  added: number;
  updated: number;
  skipped: number;
  failed: number;
  failReasons: Record<string, unknown>[];
  withoutPassword: Record<string, unknown>[];
}

/**
 * Sends the users from `progress.done` on, chunk after chunk. Stops after the running chunk when cancelled. When a chunk is
 * refused, it throws; what `onProgress` was told last is what had been answered until then.
 */
export function importUsers(asked: {
  tenant: string;
  kind: UserKind;
  secret: string;
  users: unknown[];
  policy: ImportPolicy;
  progress: ImportProgress;
  onProgress: (progress: ImportProgress) => void;
  cancelled: () => boolean;
}): Promise<void> {
  return keepingAwake(async () => {
    let progress = asked.progress;
    while (progress.done < asked.users.length && !asked.cancelled()) {
      const chunk = asked.users.slice(progress.done, progress.done + CHUNK);
      const answer = await importChunk(asked.tenant, asked.kind, asked.secret, chunk, asked.policy);
      const before = progress.done;
      // The service counts within a chunk; a person looks for the place in the file.
      const placed = (answer.failReasons ?? []).map((reason) =>
        typeof reason.index === "number" ? { ...reason, index: reason.index + before } : reason,
      );
      progress = {
        done: before + chunk.length,
        added: progress.added + answer.added,
        updated: progress.updated + (answer.updated ?? 0),
        skipped: progress.skipped + (answer.skipped ?? 0),
        failed: progress.failed + answer.failed,
        failReasons: [...progress.failReasons, ...placed],
        withoutPassword: [...progress.withoutPassword, ...(answer.withoutPassword ?? [])],
      };
      asked.onProgress(progress);
    }
  });
}

/** Why a secret cannot be sent, or `""`. A request header keeps neither spaces at its ends nor control characters. */
export function secretProblem(secret: string): string {
  if (secret !== secret.trim()) return "Leave out the space at the start or the end.";
  return /\p{Cc}/u.test(secret) ? "Use characters that can be seen." : "";
}

function has(value: unknown, member: string): boolean {
  return typeof value === "object" && value !== null && member in value;
}
