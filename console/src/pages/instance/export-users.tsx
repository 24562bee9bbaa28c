import { useEffect, useRef, useState } from "react";
import { Button, ProgressBar } from "@carbon/react";
import type { UserKind } from "../../api/management";
import { sentenceOf } from "../../api/errors";
import { download, fileName } from "../../ui/download";
import { count, plural } from "../../ui/format";
import { Told } from "../../ui/notices";
import { SecretInput } from "../../ui/secret-input";
import { Page } from "../../ui/page";
import { useInstance } from "./layout";
import { exportUsers, secretProblem, type ExportProgress, type ExportResult } from "./transfer";
import { KIND_WORDS } from "./transfer-words";

export default function ExportUsers({ kind }: { kind: UserKind }) {
  const instance = useInstance();
  const words = KIND_WORDS[kind];
  const [secret, setSecret] = useState("");
  const [again, setAgain] = useState("");
  const [progress, setProgress] = useState<ExportProgress | null>(null);
  const [result, setResult] = useState<ExportResult | null>(null);
  const [error, setError] = useState("");
  const cancelled = useRef(false);
  useEffect(
    () => () => {
      cancelled.current = true;
    },
    [],
  );
  const running = progress !== null && result === null && error === "";
  const problem = secretProblem(secret);
  const ready = kind === "profiles" || (secret !== "" && problem === "" && secret === again);

  async function run() {
    cancelled.current = false;
    setError("");
    setResult(null);
    setProgress({ done: 0, total: undefined });
    try {
      const made = await exportUsers({
        tenant: instance.guid,
        kind,
        secret,
        onProgress: setProgress,
        cancelled: () => cancelled.current,
      });
      setSecret("");
      setAgain("");
      setResult(made);
    } catch (thrown) {
      setError(sentenceOf(thrown));
    }
  }
  function save(made: ExportResult) {
    download(fileName(instance.name, words.file), made.parts);
  }
  return (
    <Page
      title={`Export ${words.many}`}
      lead={words.exportLead}
      crumbs={[{ to: `/instances/${instance.guid}/users/${kind}`, text: words.title }]}
    >
      {!running && !result && (
        <form
          className="v-form v-form--page"
          autoComplete="off"
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) void run();
          }}
        >
          {kind === "directory" && (
            <>
              <SecretInput
                what="secret"
                id="secret"
                labelText="Encryption secret"
                helperText="Password hashes in the file are encrypted with it. The import asks for it again; it is kept nowhere."
                autoComplete="new-password"
                problem={problem}
                value={secret}
                onChange={(event) => setSecret(event.target.value)}
              />
              <SecretInput
                what="secret"
                id="secret-again"
                labelText="Encryption secret, once more"
                autoComplete="new-password"
                problem={again !== "" && !secret.startsWith(again) ? "The two are different." : ""}
                value={again}
                onChange={(event) => setAgain(event.target.value)}
              />
            </>
          )}
          {error && <Told kind="error" text={`${error} No file was made.`} />}
          <div>
            <Button type="submit" disabled={!ready}>
              {error ? "Try again" : "Start the export"}
            </Button>
          </div>
        </form>
      )}
      {running && (
        <div className="v-progress">
          <ProgressBar
            label={`Exporting ${words.many}`}
            max={progress.total ?? undefined}
            value={progress.total === undefined ? undefined : progress.done}
            helperText={`${count(progress.done)}${progress.total === undefined ? "" : ` of ${count(progress.total)}`}`}
          />
          <Button kind="tertiary" onClick={() => (cancelled.current = true)}>
            Cancel
          </Button>
        </div>
      )}
      {result && (
        <div className="v-progress">
          <Told
            kind={result.cancelled ? "warning" : "success"}
            title={result.cancelled ? "Cancelled" : "Exported"}
            text={
              result.cancelled
                ? `The export was stopped after ${count(result.users)} of ${count(result.total)}. The file would hold only these.`
                : `${plural(result.users, words.one, words.many)} are ready to be saved.`
            }
          />
          <div className="v-actions">
            {result.users > 0 && <Button onClick={() => save(result)}>Download the file</Button>}
            <Button
              kind="ghost"
              onClick={() => {
                setResult(null);
                setProgress(null);
              }}
            >
              Export again
            </Button>
          </div>
        </div>
      )}
    </Page>
  );
}
