import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { Button, Checkbox, ProgressBar, Select, SelectItem } from "@carbon/react";
import type { ImportPolicy, UserKind } from "../../api/management";
import { ApiError, sentenceOf } from "../../api/errors";
import { download, fileName } from "../../ui/download";
import { count, plural } from "../../ui/format";
import { Told } from "../../ui/notices";
import { SecretInput } from "../../ui/secret-input";
import { Page, Section } from "../../ui/page";
import { FailReasons } from "./fail-reasons";
import { useInstance } from "./layout";
import { importUsers, readImportFile, secretProblem, type ImportFile, type ImportProgress } from "./transfer";
import { KIND_WORDS } from "./transfer-words";

const NOTHING: ImportProgress = {
  done: 0,
  added: 0,
  updated: 0,
  skipped: 0,
  failed: 0,
  failReasons: [],
  withoutPassword: [],
};

type Phase = "choosing" | "running" | "stopping" | "stopped" | "refused" | "finished";

export default function ImportUsers({ kind }: { kind: UserKind }) {
  const instance = useInstance();
  const words = KIND_WORDS[kind];
  const [file, setFile] = useState<ImportFile | null>(null);
  // Counts the files, so that each starts with an empty form.
  const [files, setFiles] = useState(1);
  const [secret, setSecret] = useState("");
  const [policy, setPolicy] = useState<ImportPolicy>({ onConflict: "fail", withoutPassword: false });
  const [phase, setPhase] = useState<Phase>("choosing");
  const [progress, setProgress] = useState(NOTHING);
  const [error, setError] = useState("");
  const cancelled = useRef(false);
  useEffect(
    () => () => {
      // Leaving the page is a cancel: the running chunk is the last one.
      cancelled.current = true;
    },
    [],
  );
  const problem = secretProblem(secret);
  const ready = file !== null && (kind === "profiles" || (secret !== "" && problem === ""));

  async function choose(chosen: File | undefined) {
    if (!chosen) return;
    setError("");
    setFile(null);
    setProgress(NOTHING);
    setPhase("choosing");
    try {
      setFile(await readImportFile(chosen, kind));
    } catch (thrown) {
      setError(sentenceOf(thrown));
    }
  }
  async function run(from: ImportProgress) {
    if (!file || !ready) return;
    cancelled.current = false;
    setError("");
    setPhase("running");
    let latest = from;
    try {
      await importUsers({
        tenant: instance.guid,
        kind,
        secret,
        users: file.users,
        policy,
        progress: from,
        onProgress: (next) => {
          latest = next;
          setProgress(next);
        },
        cancelled: () => cancelled.current,
      });
      const finished = latest.done >= file.users.length;
      if (finished) setSecret("");
      setPhase(finished ? "finished" : "stopped");
    } catch (thrown) {
      setError(refusalText(thrown, latest.done, file.users.length));
      setPhase("refused");
    }
  }
  const busy = phase === "running" || phase === "stopping";
  const begun = phase !== "choosing";
  return (
    <Page
      title={`Import ${words.many}`}
      lead={words.importLead}
      crumbs={[{ to: `/instances/${instance.guid}/users/${kind}`, text: words.title }]}
    >
      <form
        key={files}
        hidden={busy || phase === "finished"}
        className="v-form v-form--page"
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void run(progress);
        }}
      >
        <div>
          <label className="cds--label" htmlFor="import-file">
            File
          </label>
          <input
            id="import-file"
            className="v-file"
            type="file"
            accept="application/json,.json"
            onChange={(event) => void choose(event.target.files?.[0])}
          />
          {file && (
            <p className="v-small" role="status">
              {plural(file.users.length, words.one, words.many)} in {file.name}.
            </p>
          )}
        </div>
        {kind === "directory" && (
          <SecretInput
            what="secret"
            id="secret"
            labelText="Encryption secret"
            helperText="The one that was given to the export."
            autoComplete="off"
            problem={problem}
            value={secret}
            onChange={(event) => setSecret(event.target.value)}
          />
        )}
        <Select
          id="on-conflict"
          labelText="Users who exist already"
          value={policy.onConflict}
          onChange={(event) =>
            setPolicy({ ...policy, onConflict: event.target.value as ImportPolicy["onConflict"] })
          }
        >
          <SelectItem value="fail" text="Stay as they are and are reported" />
          <SelectItem value="skip" text="Stay as they are and are counted only" />
          <SelectItem value="update" text="Are changed to what the file says" />
        </Select>
        {kind === "directory" && (
          <Checkbox
            id="without-password"
            labelText="Add users whose password cannot be read, without a password"
            helperText="They are named in the report and have to set a new password."
            checked={policy.withoutPassword}
            onChange={(_, { checked }) => setPolicy({ ...policy, withoutPassword: checked })}
          />
        )}
        {error && <Told kind="error" text={error} />}
        {phase === "stopped" && file && (
          <Told
            kind="warning"
            title="Cancelled"
            text={`The first ${count(progress.done)} of ${plural(file.users.length, "user")} were sent; the rest was not.`}
          />
        )}
        <div>
          <Button type="submit" disabled={!ready}>
            {begun && progress.done > 0 ? `Go on with user ${count(progress.done + 1)}` : "Start the import"}
          </Button>
        </div>
      </form>
      {busy && file && (
        <div className="v-progress">
          <ProgressBar
            label={`Importing ${words.many}`}
            max={file.users.length}
            value={progress.done}
            helperText={`${count(progress.done)} of ${count(file.users.length)}: ${count(progress.added)} added, ${count(progress.failed)} not`}
          />
          <Button
            kind="tertiary"
            disabled={phase === "stopping"}
            onClick={() => {
              cancelled.current = true;
              setPhase("stopping");
            }}
          >
            {phase === "stopping" ? "Stopping after this chunk…" : "Cancel"}
          </Button>
        </div>
      )}
      {phase === "finished" && (
        <Told
          kind={progress.failed === 0 ? "success" : "warning"}
          title="Finished"
          text={`All ${count(progress.done)} users of ${file?.name ?? "the file"} were sent.`}
        />
      )}
      {begun && progress.done > 0 && !busy && (
        <Section title="Report">
          <dl className="v-facts" aria-label="Report">
            <div>
              <dt>Added</dt>
              <dd>{count(progress.added)}</dd>
            </div>
            {progress.updated > 0 && (
              <div>
                <dt>Changed</dt>
                <dd>{count(progress.updated)}</dd>
              </div>
            )}
            {progress.skipped > 0 && (
              <div>
                <dt>Known already</dt>
                <dd>{count(progress.skipped)}</dd>
              </div>
            )}
            {progress.withoutPassword.length > 0 && (
              <div>
                <dt>Of these without a password</dt>
                <dd>{count(progress.withoutPassword.length)}</dd>
              </div>
            )}
            <div>
              <dt>Not added</dt>
              <dd>{count(progress.failed)}</dd>
            </div>
            {file && progress.done < file.users.length && (
              <div>
                <dt>Not sent</dt>
                <dd>{count(file.users.length - progress.done)}</dd>
              </div>
            )}
          </dl>
          <FailReasons reasons={progress.failReasons} />
          <div className="v-actions">
            <Button
              kind="tertiary"
              onClick={() =>
                download(fileName(instance.name, words.file, "import-report"), [
                  JSON.stringify(
                    {
                      file: file?.name,
                      sent: progress.done,
                      ofUsers: file?.users.length,
                      ...reportOf(progress),
                    },
                    null,
                    2,
                  ),
                ])
              }
            >
              Download the report
            </Button>
            {phase === "finished" && (
              <>
                <Link className="cds--btn cds--btn--ghost" to={`/instances/${instance.guid}/users/${kind}`}>
                  See the users
                </Link>
                <Button
                  kind="ghost"
                  onClick={() => {
                    setFile(null);
                    setFiles(files + 1);
                    setProgress(NOTHING);
                    setPhase("choosing");
                  }}
                >
                  Import another file
                </Button>
              </>
            )}
          </div>
        </Section>
      )}
    </Page>
  );
}

function reportOf({ done: _done, ...report }: ImportProgress) {
  return report;
}

/** Says what was done and what is not known, to the user. */
function refusalText(thrown: unknown, done: number, total: number): string {
  const reason = sentenceOf(thrown);
  const lost = thrown instanceof ApiError && (thrown.status === 0 || thrown.status >= 500);
  let before = `The first ${count(done)} of ${count(total)} users had been sent.`;
  if (done === 0) before = lost || /imported/i.test(reason) ? "" : "Nobody was imported.";
  const unknown = lost
    ? " Whether the users of the chunk that was under way were added is not known; sending them again adds nobody twice."
    : "";
  return `${reason} ${before}${unknown}`;
}
