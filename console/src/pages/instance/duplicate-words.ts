import type { DuplicateAnswer } from "../../api/management";

export interface Outcome {
  name: string;
  outcome: string;
  /** Whether it is a configuration family that can be chosen, or applications and roles that came with it. */
  family: boolean;
}

interface Words {
  will: string;
  was: string;
  tag: "green" | "blue" | "gray" | "cool-gray";
}

export const OUTCOMES: Record<string, Words> = {
  created: { will: "Created", was: "Created", tag: "green" },
  updated: { will: "Replaced", was: "Replaced", tag: "blue" },
  unchanged: { will: "Left, equal already", was: "Equal already", tag: "gray" },
  skipped: { will: "Left as it is", was: "Left as it was", tag: "cool-gray" },
};

const TITLES: Record<string, string> = {
  "idps/cloud_directory": "Cloud Directory",
  "idps/facebook": "Facebook",
  "idps/google": "Google",
  "idps/custom": "Custom provider",
  "idps/saml": "SAML",
  tokens: "Token lifetimes and claims",
  redirect_uris: "Redirect URIs",
  users_profile: "Profile settings",
  applications: "Applications",
  roles: "Roles",
};

export function familyTitle(name: string): string {
  const known = TITLES[name];
  if (known) return known;
  const words = name.replace(/[/_]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Every family, then what else the answer reports: applications and roles by name or by number. */
export function outcomesOf(answer: DuplicateAnswer): Outcome[] {
  const rows: Outcome[] = Object.entries(answer.families).map(([name, outcome]) => ({
    name,
    outcome,
    family: true,
  }));
  for (const part of ["applications", "roles"]) {
    const told = answer[part];
    if (typeof told === "string") rows.push({ name: part, outcome: told, family: false });
    else if (Array.isArray(told)) told.forEach((one, index) => rows.push(fromEntry(part, one, index)));
    else if (typeof told === "object" && told !== null) {
      for (const [name, value] of Object.entries(told)) {
        const outcome = typeof value === "number" ? `${value} ${name}` : String(value);
        const title = typeof value === "number" ? familyTitle(part) : `${familyTitle(part)}: ${name}`;
        rows.push({ name: title, outcome, family: false });
      }
    }
  }
  return rows;
}

function fromEntry(part: string, entry: unknown, index: number): Outcome {
  if (typeof entry === "object" && entry !== null) {
    const told = entry as Record<string, unknown>;
    const outcome = told.outcome ?? told.result ?? told.state ?? told.status ?? "created";
    return {
      name: `${familyTitle(part)}: ${String(told.name ?? index + 1)}`,
      outcome: String(outcome),
      family: false,
    };
  }
  return { name: `${familyTitle(part)}: ${String(entry)}`, outcome: "created", family: false };
}

export function warningText(warning: string | { message?: string }): string {
  return typeof warning === "string" ? warning : (warning.message ?? JSON.stringify(warning));
}
