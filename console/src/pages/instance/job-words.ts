import { asSentence } from "../../api/errors";
import type { Job, JobKind, JobState, ReportLine } from "../../api/jobs";

type Tone = "gray" | "blue" | "purple" | "green" | "red" | "cool-gray" | "magenta";

export const KINDS: Record<JobKind, string> = {
  directory_import: "Import of directory users",
  users_import: "Import of federated users",
  bundle_import: "Import of a bundle",
  directory_export: "Export of directory users",
  bundle_export: "Export of a bundle",
};

export const STATES: Record<JobState, { text: string; tone: Tone }> = {
  queued: { text: "Waiting", tone: "gray" },
  running: { text: "Running", tone: "blue" },
  paused: { text: "Paused", tone: "purple" },
  succeeded: { text: "Done", tone: "green" },
  failed: { text: "Failed", tone: "red" },
  cancelled: { text: "Cancelled", tone: "cool-gray" },
};

const OUTCOMES: Record<string, { text: string; tone: Tone }> = {
  failed: { text: "Refused", tone: "red" },
  updated: { text: "Changed", tone: "blue" },
  skipped: { text: "Left as it was", tone: "cool-gray" },
  without_password: { text: "Without a password", tone: "magenta" },
};

const POLICIES: Record<string, string> = {
  fail: "Stay as they are and are reported",
  skip: "Stay as they are and are counted",
  update: "Are changed to what the file says",
};

/** The reasons of docs/api/moving-users.md and docs/api/jobs.md. */
const REASONS: Record<string, string> = {
  invalid_record: "The record is not a user.",
  invalid_json: "The record is not valid JSON.",
  duplicate_in_file: "An earlier record of the file is the same user.",
  conflict: "This user exists already.",
  uniqueness: "Someone with this e-mail address or user name exists already.",
  id_taken: "Someone else has this ID already.",
  ambiguous: "The record would make one user of several.",
  unknown_role: "A role of this name does not exist here.",
  profile_too_large: "The profile is larger than the service keeps.",
  no_identity: "The user has no identity at a provider.",
  anonymous_user: "The profile is of somebody who never signed in.",
  directory_user: "This is a directory user. Import it under “Directory users”.",
  wrong_secret: "The password hash was encrypted with another secret.",
  damaged_hash: "The password hash was changed, or belongs to another user.",
  foreign_ciphertext: "The password hash was encrypted by another product and cannot be opened.",
  unsupported_hash: "The password hash is of a kind that the service does not verify.",
  malformed_hash: "The password hash is broken.",
  hash_too_expensive: "The password hash asks for more memory or time than a sign-in may take.",
  no_password: "The record holds no password.",
  too_many_salts: "The file is put together from more than 64 exports.",
  outcome_unknown: "The database failed. The user may or may not have been added.",
  not_imported: "The database failed before this user.",
};

/** Why a job ended early. */
const ENDINGS: Record<string, string> = {
  malformed_input: "The file cannot be read any further.",
  truncated_input: "The file ends in the middle. It may have been cut off while it was copied.",
  record_too_long: "A record is larger than the service reads.",
  too_much_space: "There is more blank space between two records than the service reads.",
  wrong_secret: "The encryption secret is not the one that was given to the export.",
};

export function kindOf(job: Job): string {
  return KINDS[job.kind] ?? job.kind.replace(/_/g, " ");
}

export function isImport(job: Job): boolean {
  return job.kind.endsWith("_import");
}

/** Whether an import read its file to the end and took nobody of it. */
export function isAllRefused({ kind, state, counts }: Job): boolean {
  const taken = counts.added + counts.updated + counts.skipped;
  return kind.endsWith("_import") && state === "succeeded" && counts.failed > 0 && taken === 0;
}

export function stateOf(job: Job): { text: string; tone: Tone } {
  if (isAllRefused(job)) return { text: "All refused", tone: "magenta" };
  return STATES[job.state] ?? { text: job.state, tone: "gray" };
}

export function policyOf(job: Job): string {
  return POLICIES[job.onConflict ?? "fail"] ?? String(job.onConflict);
}

export function outcomeOf(line: ReportLine): { text: string; tone: Tone } {
  const outcome = line.outcome ?? "";
  return OUTCOMES[outcome] ?? { text: outcome.replace(/_/g, " ") || "–", tone: "gray" };
}

/** Why a record was not simply added: in our words first, and in the service's where those say more. */
export function reasonOf({ code, message }: ReportLine): [string, string] {
  const known = REASONS[code?.toLowerCase() ?? ""] ?? "";
  const told = message?.trim() ? asSentence(message) : "";
  if (!known) return [told || code || "", ""];
  return [known, told === known ? "" : told];
}

/** What is wrong, and what follows from it unless that is said already. */
export function withEffect(text: string, effect: string): string {
  return /(Nothing|Nobody) was imported/.test(text) ? text : `${text} ${effect}`;
}

export function endingOf(error: { code: string; message: string }): string {
  return ENDINGS[error.code.toLowerCase()] ?? (asSentence(error.message) || error.code);
}
