import type { UserKind } from "../../api/transfer";

/** A file to import, and what could be seen of it without reading it all. */
export interface ImportFile {
  file: File;
  /** What it is compressed with, as `Content-Encoding` names it, or `""`. */
  encoding: "" | "gzip" | "zstd";
  /** How many users it holds; not known of large and of compressed files. */
  users: number | undefined;
}

/** Files up to this size are read here, so that a wrong one is known at once. */
const SMALL = 4 * 1024 * 1024;
/** What is looked at of larger ones. */
const HEAD = 64 * 1024;

/** Looks at a file of users: an export object, an array, or a user a line. Throws a sentence when it is something else. */
export async function lookAtFile(file: File, kind: UserKind): Promise<ImportFile> {
  if (file.size === 0) throw new Error(`${file.name} is empty.`);
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const encoding = encodingOf(start);
  if (encoding) return { file, encoding, users: undefined };
  if (file.size > SMALL) {
    const head = (await file.slice(0, HEAD).text()).trimStart();
    if (!/^[[{]/.test(head)) throw new Error(`${file.name} is not a JSON file.`);
    check(file.name, kind, {
      directory: head.includes('"scimUser"'),
      profile: head.includes('"identities"'),
    });
    return { file, encoding, users: undefined };
  }
  const users = usersIn(await file.text());
  if (users === "broken") {
    throw new Error(`${file.name} is not a whole JSON file. It may have been cut off while it was copied.`);
  }
  if (users === "other") throw new Error(`${file.name} holds no list of users.`);
  if (users.count === 0) throw new Error(`${file.name} holds no user.`);
  check(file.name, kind, {
    directory: has(users.first, "scimUser"),
    profile: has(users.first, "identities"),
  });
  return { file, encoding, users: users.count };
}

function check(name: string, kind: UserKind, holds: { directory: boolean; profile: boolean }): void {
  if (kind === "directory" && !holds.directory) {
    throw new Error(
      holds.profile
        ? `${name} holds profiles, not directory users. Import it under “Federated and all profiles”.`
        : `${name} does not look like an export of directory users.`,
    );
  }
  if (kind === "profiles" && holds.directory) {
    throw new Error(`${name} holds directory users, not profiles. Import it under “Directory users”.`);
  }
}

function usersIn(text: string): { count: number; first: unknown } | "broken" | "other" {
  const whole = parse(text);
  if (whole !== undefined && !has(whole, "scimUser") && !has(whole, "identities")) {
    const users = Array.isArray(whole) ? whole : (whole as { users?: unknown } | null)?.users;
    return Array.isArray(users) ? { count: users.length, first: users[0] } : "other";
  }
  const records = text.split("\n").filter((line) => line.trim() !== "");
  const first = parse(records[0] ?? "");
  // A line further down that is broken is one record that is refused, which the service says best.
  return first !== undefined && !Array.isArray(first) && !has(first, "users")
    ? { count: records.length, first }
    : "broken";
}

function encodingOf(start: Uint8Array): ImportFile["encoding"] {
  const begins = (...bytes: number[]) => bytes.every((byte, index) => start[index] === byte);
  if (begins(0x1f, 0x8b)) return "gzip";
  return begins(0x28, 0xb5, 0x2f, 0xfd) ? "zstd" : "";
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function has(value: unknown, member: string): boolean {
  return typeof value === "object" && value !== null && member in value;
}
