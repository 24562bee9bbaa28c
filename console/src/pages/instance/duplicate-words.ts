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
  "cloud_directory/sso": "Single sign-on",
  tokens: "Token lifetimes and claims",
  redirect_uris: "Redirect URIs",
  users_profile: "Profile settings",
  "ui/languages": "Languages of the sign-in page",
  "ui/theme_text": "Texts of the sign-in page",
  "ui/theme_color": "Colours of the sign-in page",
};

export function familyTitle(name: string): string {
  const known = TITLES[name];
  if (known) return known;
  const words = name.replace(/[/_]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Every family, those that are not ticked too, then the applications and roles that come along. */
export function outcomesOf(answer: DuplicateAnswer, ticked: Record<string, boolean> = {}): Outcome[] {
  const names = [...new Set([...Object.keys(ticked), ...Object.keys(answer.families)])];
  const families = names.map((name) => ({
    name,
    outcome: ticked[name] === false ? "skipped" : (answer.families[name] ?? "skipped"),
    family: true,
  }));
  const parts = (["applications", "roles"] as const).flatMap((part) =>
    (answer[part] ?? []).map(({ name, outcome }) => ({
      name: `${part === "applications" ? "Application" : "Role"} ${name}`,
      outcome,
      family: false,
    })),
  );
  return [...families, ...parts];
}
