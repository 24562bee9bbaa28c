import type { UserKind } from "../../api/transfer";

interface Words {
  title: string;
  one: string;
  many: string;
  file: string;
  exportLead: string;
  importLead: string;
}

/** Users past which a file is better made by the service or the command line than held by a browser. */
export const TOO_MANY_TO_HOLD = 500_000;

export const KIND_WORDS: Record<UserKind, Words> = {
  directory: {
    title: "Directory users",
    one: "directory user",
    many: "directory users",
    file: "directory-users",
    exportLead:
      "Makes one JSON file of all directory users with their password hashes, profiles and roles. It needs the Manager role.",
    importLead:
      "Adds the directory users of an export. They sign in with the passwords they have. It needs the Manager role.",
  },
  profiles: {
    title: "Federated and all profiles",
    one: "profile",
    many: "profiles",
    file: "profiles",
    exportLead:
      "Makes one JSON file of the profiles of all known users except directory users and anonymous ones. It needs the Manager role.",
    importLead:
      "Adds the profiles of an export. People are recognised when they sign in with the same provider. It needs the Manager role.",
  },
};
