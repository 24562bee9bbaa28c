import { secretProblem } from "../../api/transfer";
import { SecretInput } from "../../ui/secret-input";

export interface Secret {
  first: string;
  again: string;
}

export const NO_SECRET: Secret = { first: "", again: "" };

export function secretReady({ first, again }: Secret): boolean {
  return first !== "" && secretProblem(first) === "" && first === again;
}

/** The secret of an export, twice: whoever mistypes it has a file that nobody can open. */
export function NewSecret({ secret, onChange }: { secret: Secret; onChange: (secret: Secret) => void }) {
  const { first, again } = secret;
  return (
    <>
      <SecretInput
        what="secret"
        id="secret"
        labelText="Encryption secret"
        helperText="Password hashes in the file are encrypted with it. The import asks for it again; it is kept nowhere."
        autoComplete="new-password"
        problem={secretProblem(first)}
        value={first}
        onChange={(event) => onChange({ ...secret, first: event.target.value })}
      />
      <SecretInput
        what="secret"
        id="secret-again"
        labelText="Encryption secret, once more"
        autoComplete="new-password"
        problem={again !== "" && !first.startsWith(again) ? "The two are different." : ""}
        value={again}
        onChange={(event) => onChange({ ...secret, again: event.target.value })}
      />
    </>
  );
}

/** The secret that was given to the export. */
export function KnownSecret({ secret, onChange }: { secret: string; onChange: (secret: string) => void }) {
  return (
    <SecretInput
      what="secret"
      id="secret"
      labelText="Encryption secret"
      helperText="The one that was given to the export."
      autoComplete="off"
      problem={secretProblem(secret)}
      value={secret}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}
