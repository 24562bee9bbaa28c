import { useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { Button, ProgressBar, RadioButton, RadioButtonGroup } from "@carbon/react";
import { sentenceOf } from "../../api/errors";
import { countUsers, startDirectoryExport, type UserKind } from "../../api/transfer";
import { download, fileName } from "../../ui/download";
import { count, plural } from "../../ui/format";
import { useLoad } from "../../ui/load";
import { Told } from "../../ui/notices";
import { beginFile, canSaveToDisk } from "../../ui/save";
import { Page } from "../../ui/page";
import { exportUsers, type ExportResult } from "./export-stream";
import { DaysField, daysReady, EmailField } from "./file-fields";
import { useInstance } from "./layout";
import { NewSecret, NO_SECRET, secretReady } from "./secret-fields";
import { KIND_WORDS, TOO_MANY_TO_HOLD } from "./transfer-words";
import { WhereField } from "./where-field";

type Way = "here" | "job";

export default function ExportUsers({ kind }: { kind: UserKind }) {
  const instance = useInstance();
  const navigate = useNavigate();
  const words = KIND_WORDS[kind];
  const [way, setWay] = useState<Way>("here");
  const [secret, setSecret] = useState(NO_SECRET);
  const [where, setWhere] = useState("");
  const [email, setEmail] = useState("");
  const [days, setDays] = useState("7");
  const [done, setDone] = useState<number | null>(null);
  const [starting, setStarting] = useState(false);
  const [result, setResult] = useState<ExportResult | null>(null);
  const [stopped, setStopped] = useState(false);
  const [error, setError] = useState("");
  const stop = useRef<AbortController>(null);
  useEffect(() => () => stop.current?.abort(), []);
  // Only for the progress bar: an export works without it.
  const total = useLoad(
    () => countUsers(instance.guid, kind).catch(() => undefined),
    [instance.guid, kind],
  ).data;
  const name = fileName("json", instance.name, words.file);
  const job = way === "job";
  const ready =
    !starting &&
    (kind === "profiles" || secretReady(secret)) &&
    (!job || (/^\S+@\S+$/.test(email.trim()) && daysReady(days)));

  async function runHere() {
    const file = await beginFile(name);
    if (!file) return;
    const end = new AbortController();
    stop.current = end;
    setDone(0);
    try {
      const made = await exportUsers({
        tenant: instance.guid,
        kind,
        secret: secret.first,
        where: where.trim(),
        file,
        signal: end.signal,
        onProgress: setDone,
      });
      setSecret(NO_SECRET);
      setResult(made);
    } catch (thrown) {
      if (end.signal.aborted) setStopped(true);
      else setError(`${sentenceOf(thrown)} No file was made.`);
    } finally {
      setDone(null);
    }
  }
  async function runJob() {
    setStarting(true);
    try {
      const { id } = await startDirectoryExport(instance.guid, {
        encryptionSecret: secret.first,
        emailAddress: email.trim(),
        expires: Number(days),
      });
      setSecret(NO_SECRET);
      await navigate(`/instances/${instance.guid}/jobs/${id}`);
    } catch (thrown) {
      setError(sentenceOf(thrown));
      setStarting(false);
    }
  }
  function run() {
    setError("");
    setStopped(false);
    void (job ? runJob() : runHere());
  }
  return (
    <Page
      title={`Export ${words.many}`}
      lead={words.exportLead}
      crumbs={[{ to: `/instances/${instance.guid}/users/${kind}`, text: words.title }]}
    >
      {done === null && !result && (
        <form
          className="v-form v-form--page"
          autoComplete="off"
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) run();
          }}
        >
          {kind === "directory" && (
            <>
              <RadioButtonGroup
                name="way"
                legendText="Where the file is made"
                orientation="vertical"
                valueSelected={way}
                onChange={(value) => setWay(value === "job" ? "job" : "here")}
              >
                <RadioButton
                  id="way-here"
                  value="here"
                  labelText="Here: it is saved as it comes, while this page is open"
                />
                <RadioButton
                  id="way-job"
                  value="job"
                  labelText="At the service, as a job: it is kept there to be downloaded later"
                />
              </RadioButtonGroup>
              <NewSecret secret={secret} onChange={setSecret} />
            </>
          )}
          {job ? (
            <>
              <EmailField email={email} onChange={setEmail} />
              <DaysField days={days} onChange={setDays} />
            </>
          ) : (
            <WhereField where={where} onChange={setWhere} />
          )}
          {!job && !canSaveToDisk() && <Limit kind={kind} total={total} />}
          {stopped && (
            <Told kind="warning" title="Cancelled" text="The export was stopped. No file was made." />
          )}
          {error && <Told kind="error" text={error} />}
          <div>
            <Button type="submit" disabled={!ready}>
              {error ? "Try again" : "Start the export"}
            </Button>
          </div>
        </form>
      )}
      {done !== null && (
        <div className="v-progress">
          <ProgressBar
            label={`Exporting ${words.many}`}
            {...(total && !where.trim() && { max: Math.max(total, done), value: done })}
            helperText={total && !where.trim() ? `${count(done)} of ${count(total)}` : count(done)}
          />
          <Button kind="tertiary" onClick={() => stop.current?.abort()}>
            Cancel
          </Button>
        </div>
      )}
      {result && (
        <div className="v-progress">
          <Told
            kind="success"
            title="Exported"
            text={
              result.file
                ? `${plural(result.users, words.one, words.many)} are ready to be saved.`
                : `${plural(result.users, words.one, words.many)} are saved.`
            }
          />
          {warningsOf(result).map((text) => (
            <Told key={text} kind="warning" text={text} />
          ))}
          <div className="v-actions">
            {result.file && (
              <Button onClick={() => result.file && download(name, result.file)}>Download the file</Button>
            )}
            <Button kind="ghost" onClick={() => setResult(null)}>
              Export again
            </Button>
          </div>
        </div>
      )}
    </Page>
  );
}

/** How much a browser can hold that does not let a page write to disk. */
function Limit({ kind, total }: { kind: UserKind; total: number | undefined }) {
  const most = count(TOO_MANY_TO_HOLD);
  const command = kind === "directory" ? "vestibule directory export" : "vestibule users export";
  const text = (
    <>
      {`This browser holds the file until it is saved. For more than about ${most} users `}
      {kind === "directory" && "have the service make it, or "}
      use the command line: <code>{command}</code>.
    </>
  );
  if ((total ?? 0) <= TOO_MANY_TO_HOLD) return <p className="v-small">{text}</p>;
  return <Told kind="warning" title={`${count(total)} users are many`} text={text} />;
}

function warningsOf({ moments, lost }: ExportResult): string[] {
  const said: string[] = [];
  if (moments > 1) {
    said.push(
      `The export took so long that the file shows the instance as of ${moments} moments, not one. Users who changed meanwhile may be as they were before or after.`,
    );
  }
  const left = Object.entries(lost).filter(([, times]) => times > 0);
  if (left.length > 0) {
    const list = left.map(([what, times]) => `${what} (${count(times)})`).join(", ");
    said.push(`The format has no place for some of what the users have: ${list}. A bundle carries it.`);
  }
  return said;
}
