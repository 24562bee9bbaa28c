import { useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { Button, ProgressBar, RadioButton, RadioButtonGroup } from "@carbon/react";
import { ApiError, sentenceOf } from "../../api/errors";
import type { ConflictPolicy } from "../../api/jobs";
import { keepingAwake } from "../../api/session";
import { secretProblem, sendBundle } from "../../api/transfer";
import { bytes } from "../../ui/format";
import { Page } from "../../ui/page";
import { Told } from "../../ui/notices";
import { FileField, PolicyField } from "./import-fields";
import { withEffect } from "./job-words";
import { useInstance } from "./layout";
import { KnownSecret } from "./secret-fields";

export default function ImportBundle() {
  const instance = useInstance();
  const navigate = useNavigate();
  const [file, setFile] = useState<File | null>(null);
  const [secret, setSecret] = useState("");
  const [ids, setIds] = useState<"keep" | "remap">("keep");
  const [onConflict, setOnConflict] = useState<ConflictPolicy>("fail");
  const [sent, setSent] = useState<number | null>(null);
  const [error, setError] = useState("");
  const stop = useRef<AbortController>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const ready = file !== null && secret !== "" && secretProblem(secret) === "";

  async function send(chosen: File, dryRun: boolean) {
    const end = new AbortController();
    stop.current = end;
    setError("");
    setSent(0);
    try {
      const job = await keepingAwake(() =>
        sendBundle({
          tenant: instance.guid,
          file: chosen,
          secret,
          ids,
          onConflict,
          dryRun,
          signal: end.signal,
          onSent: setSent,
        }),
      );
      setSecret("");
      await navigate(`/instances/${instance.guid}/jobs/${job.id}`);
    } catch (thrown) {
      setError(end.signal.aborted ? "" : refusalText(thrown));
      setSent(null);
    }
  }
  return (
    <Page
      title="Import a bundle"
      lead="Adds the users of a bundle that another instance exported. The whole file is checked before the first user is added. It is a job, and needs the Manager role."
      crumbs={[{ to: `/instances/${instance.guid}/jobs`, text: "Jobs" }]}
    >
      <form
        hidden={sent !== null}
        className="v-form v-form--page"
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) void send(file, false);
        }}
      >
        <FileField
          accept=".vbundle"
          said={file ? `${file.name}, ${bytes(file.size)}` : ""}
          onChoose={(chosen) => {
            setFile(chosen);
            setError("");
          }}
        />
        <KnownSecret secret={secret} onChange={setSecret} />
        <RadioButtonGroup
          name="ids"
          legendText="IDs of the users"
          orientation="vertical"
          valueSelected={ids}
          onChange={(value) => setIds(value === "remap" ? "remap" : "keep")}
        >
          <RadioButton
            id="ids-keep"
            value="keep"
            labelText="Keep them: users whose ID is taken by someone else are refused"
          />
          <RadioButton
            id="ids-remap"
            value="remap"
            labelText="Give new ones: the job then has a map from old to new"
          />
        </RadioButtonGroup>
        <PolicyField value={onConflict} onChange={setOnConflict} />
        {error && <Told kind="error" text={error} />}
        <div className="v-actions">
          <Button type="submit" disabled={!ready}>
            {error ? "Try again" : "Start the import"}
          </Button>
          <Button kind="tertiary" disabled={!ready} onClick={() => file && void send(file, true)}>
            Check the file first
          </Button>
        </div>
      </form>
      {sent !== null && file && (
        <div className="v-progress">
          <ProgressBar
            label={`Sending ${file.name}`}
            max={Math.max(file.size, 1)}
            value={Math.min(sent, file.size)}
            helperText={`${bytes(Math.min(sent, file.size))} of ${bytes(file.size)}. Keep this page open until the file is there.`}
          />
          <Button kind="tertiary" onClick={() => stop.current?.abort()}>
            Cancel
          </Button>
        </div>
      )}
    </Page>
  );
}

function refusalText(thrown: unknown): string {
  const refused = thrown instanceof ApiError && thrown.status >= 400 && thrown.status < 500;
  const effect = refused
    ? "Nothing was imported."
    : "If the whole file had arrived by then, the import stands among the jobs; otherwise send it again.";
  return withEffect(sentenceOf(thrown), effect);
}
