import { useState, type Dispatch, type ReactNode, type SetStateAction } from "react";
import { Button, Checkbox } from "@carbon/react";
import { sentenceOf } from "../../api/errors";
import { secretProblem, type ImportPolicy, type UserKind } from "../../api/transfer";
import { bytes, plural } from "../../ui/format";
import { Told } from "../../ui/notices";
import { lookAtFile, type ImportFile } from "./import-file";
import { FileField, PolicyField } from "./import-fields";
import { KnownSecret } from "./secret-fields";
import { KIND_WORDS } from "./transfer-words";

export interface ImportDraft {
  chosen: ImportFile | null;
  secret: string;
  policy: ImportPolicy;
}

export const NEW_DRAFT: ImportDraft = {
  chosen: null,
  secret: "",
  policy: { onConflict: "fail", withoutPassword: false },
};

/** What to import and how. With `again`, a job goes on whose policy is settled already. */
export function ImportForm(props: {
  kind: UserKind;
  draft: ImportDraft;
  onChange: Dispatch<SetStateAction<ImportDraft>>;
  again: boolean;
  /** A file that is settled too: it is in this window already. */
  settled?: ImportFile;
  hidden: boolean;
  onStart: () => void;
  onCheck: () => void;
  /** Further actions. */
  children?: ReactNode;
}) {
  const { kind, draft, onChange, again } = props;
  const { secret, policy } = draft;
  const chosen = props.settled ?? draft.chosen;
  const [error, setError] = useState("");
  const directory = kind === "directory";
  const ready = chosen !== null && (!directory || (secret !== "" && secretProblem(secret) === ""));
  const change = (part: Partial<ImportDraft>) => onChange((before) => ({ ...before, ...part }));
  async function choose(file: File) {
    setError("");
    change({ chosen: null });
    try {
      // Other fields may be filled while the file is looked at.
      change({ chosen: await lookAtFile(file, kind) });
    } catch (thrown) {
      setError(sentenceOf(thrown));
    }
  }
  return (
    <form
      hidden={props.hidden}
      className="v-form v-form--page"
      autoComplete="off"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) props.onStart();
      }}
    >
      {props.settled ? (
        <div>
          <p className="cds--label">File</p>
          <p>{sayFile(props.settled, kind)}</p>
        </div>
      ) : (
        <FileField
          accept=".json,.ndjson,.jsonl,.gz,.zst,application/json"
          said={chosen ? sayFile(chosen, kind) : ""}
          onChoose={(file) => void choose(file)}
        />
      )}
      {directory && <KnownSecret secret={secret} onChange={(value) => change({ secret: value })} />}
      <PolicyField
        value={policy.onConflict}
        disabled={again}
        onChange={(onConflict) => change({ policy: { ...policy, onConflict } })}
      />
      {directory && (
        <Checkbox
          id="without-password"
          labelText="Add users whose password cannot be read, without a password"
          helperText="They are named in the report and have to set a new password."
          checked={policy.withoutPassword}
          onChange={(_, { checked }) => change({ policy: { ...policy, withoutPassword: checked } })}
        />
      )}
      {error && <Told kind="error" text={error} />}
      <div className="v-actions">
        <Button type="submit" disabled={!ready}>
          {again ? "Send the file again" : "Start the import"}
        </Button>
        {!again && (
          <Button kind="tertiary" disabled={!ready} onClick={props.onCheck}>
            Check the file first
          </Button>
        )}
        {props.children}
      </div>
    </form>
  );
}

function sayFile({ file, users, encoding }: ImportFile, kind: UserKind): string {
  const words = KIND_WORDS[kind];
  if (users !== undefined) return `${plural(users, words.one, words.many)} in ${file.name}.`;
  return `${file.name}, ${bytes(file.size)}${encoding ? ", compressed" : ""}. It is read while it is sent.`;
}
