import { useState, type ComponentProps, type SyntheticEvent } from "react";
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

type Field = Omit<ComponentProps<typeof SecretInput>, "what" | "onChange"> & {
  onChange: (secret: string) => void;
};

/** A browser drops the line breaks of what is put into a field: the secret would be another one, and nobody would know. */
function OneLineSecret({ problem, onChange, ...field }: Field) {
  const [broken, setBroken] = useState(false);
  function put(event: SyntheticEvent, data: DataTransfer) {
    if (!/[\r\n]/.test(data.getData("text"))) return;
    event.preventDefault();
    onChange("");
    setBroken(true);
  }
  return (
    <SecretInput
      {...field}
      what="secret"
      problem={broken ? "An encryption secret is one line of text." : problem}
      onPaste={(event) => put(event, event.clipboardData)}
      onDrop={(event) => put(event, event.dataTransfer)}
      onChange={(event) => {
        setBroken(false);
        onChange(event.target.value);
      }}
    />
  );
}

/** The secret of an export, twice: whoever mistypes it has a file that nobody can open. */
export function NewSecret({ secret, onChange }: { secret: Secret; onChange: (secret: Secret) => void }) {
  const { first, again } = secret;
  return (
    <>
      <OneLineSecret
        id="secret"
        labelText="Encryption secret"
        helperText="Password hashes in the file are encrypted with it. The import asks for it again; it is kept nowhere."
        autoComplete="new-password"
        problem={secretProblem(first)}
        value={first}
        onChange={(value) => onChange({ ...secret, first: value })}
      />
      <OneLineSecret
        id="secret-again"
        labelText="Encryption secret, once more"
        autoComplete="new-password"
        problem={again !== "" && !first.startsWith(again) ? "The two are different." : ""}
        value={again}
        onChange={(value) => onChange({ ...secret, again: value })}
      />
    </>
  );
}

/** The secret that was given to the export. */
export function KnownSecret({ secret, onChange }: { secret: string; onChange: (secret: string) => void }) {
  return (
    <OneLineSecret
      id="secret"
      labelText="Encryption secret"
      helperText="The one that was given to the export."
      autoComplete="off"
      problem={secretProblem(secret)}
      value={secret}
      onChange={onChange}
    />
  );
}
