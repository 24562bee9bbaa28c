import { useRef, useState, type ReactNode } from "react";
import { Button, ProgressBar, Tag } from "@carbon/react";
import { Download } from "@carbon/icons-react";
import { openJobFile, isLive, type Job } from "../../api/jobs";
import { keepingAwake } from "../../api/session";
import { bytes, count, perSecond, plural, timeLeft } from "../../ui/format";
import { Told, useNotices } from "../../ui/notices";
import { beginFile, saveBody } from "../../ui/save";
import { endingOf, isImport, stateOf, withEffect } from "./job-words";

export function StateTag({ job }: { job: Job }) {
  const { text, tone } = stateOf(job);
  return (
    <>
      <Tag type={tone} size="md">
        {text}
      </Tag>
      {job.dryRun && (
        <Tag type="outline" size="md">
          Check only
        </Tag>
      )}
    </>
  );
}

/** How far a job has come. `share`, from 0 to 1, is used where the service does not know how much there is to do. */
export function JobProgress(props: {
  job: Job;
  label: string;
  share?: number;
  total?: number;
  /** Leaves out what is said beside it. */
  brief?: boolean;
}) {
  const { job, label, share } = props;
  const { done } = job.counts;
  const total = job.counts.total ?? props.total ?? null;
  const parts: string[] = [];
  if (total !== null) parts.push(`${count(done)} of ${count(total)}`);
  else if (!props.brief) parts.push(count(done));
  if (job.state === "running" && job.rate && !props.brief) parts.push(perSecond(job.rate));
  if (job.state === "running" && job.secondsLeft !== null && done > 0) parts.push(timeLeft(job.secondsLeft));
  const known = total !== null ? done / Math.max(total, 1) : share;
  const live = isLive(job);
  if (known === undefined && !live) return null;
  return (
    <ProgressBar
      label={label}
      max={1}
      value={known === undefined ? undefined : Math.min(known, 1)}
      helperText={parts.join(" · ")}
    />
  );
}

/** What became of the records. */
export function JobCounts({ job, more }: { job: Job; more?: [label: string, value: string][] }) {
  const { counts } = job;
  const all: [string, string, boolean][] = isImport(job)
    ? [
        [job.dryRun ? "Would be added" : "Added", count(counts.added), true],
        [job.dryRun ? "Would be changed" : "Changed", count(counts.updated), counts.updated > 0],
        ["Known already", count(counts.skipped), counts.skipped > 0],
        ["Of these without a password", count(counts.withoutPassword), counts.withoutPassword > 0],
        [job.dryRun ? "Would be refused" : "Not added", count(counts.failed), true],
      ]
    : [["Records", count(counts.done), true]];
  const shown = all.filter(([, , wanted]) => wanted).map(([label, value]) => [label, value] as const);
  return (
    <dl className="v-facts" aria-label="Counts">
      {[...shown, ...(more ?? [])].map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Why a job ended early, and what it warns of. */
export function JobTroubles({ job }: { job: Job }) {
  const record = job.error?.record;
  const stays = job.counts.added + job.counts.updated > 0;
  const effect = stays ? "What came before it stays." : "Nothing was imported.";
  const why = job.error ? endingOf(job.error) : "";
  const place = typeof record === "number" && record > 0;
  const told = place ? `${why} It happened at record ${count(record + 1)} of the file.` : why;
  return (
    <>
      {job.error && (
        <Told
          kind="error"
          title="The job ended early"
          text={
            <>
              {isImport(job) && !job.dryRun ? withEffect(told, effect) : told}
              <div className="v-small">
                <code>{job.error.code}</code>
              </div>
            </>
          }
        />
      )}
      {job.warnings.map((warning) => (
        <Told key={warning} kind="warning" text={warning} />
      ))}
    </>
  );
}

/** A button that saves a file of a job and says how much of it has come. */
export function SaveButton(props: {
  tenant: string;
  job: string;
  what: "report" | "map" | "download";
  name: string;
  /** Said when there is nothing in the file. */
  empty?: string;
  kind?: "primary" | "tertiary" | "ghost";
  children: ReactNode;
}) {
  const notices = useNotices();
  const [got, setGot] = useState<number | null>(null);
  const stop = useRef<AbortController>(null);
  async function save() {
    const file = await beginFile(props.name);
    if (!file) return;
    const end = new AbortController();
    stop.current = end;
    setGot(0);
    try {
      await keepingAwake(async () => {
        const answer = await openJobFile(props.tenant, props.job, props.what, end.signal).catch(
          async (error: unknown) => {
            await file.discard();
            throw error;
          },
        );
        const any = await saveBody(answer, file, props.name, setGot);
        if (!any) notices.done(props.empty ?? "The file is empty, so it was not saved.");
        else if (file.onDisk) notices.done(`${props.name} is saved.`);
      });
    } catch (error) {
      if (!end.signal.aborted) notices.failed(error);
    } finally {
      setGot(null);
    }
  }
  return (
    <>
      <Button
        kind={props.kind ?? "tertiary"}
        renderIcon={Download}
        disabled={got !== null}
        onClick={() => void save()}
      >
        {got === null ? props.children : `${bytes(got)} so far…`}
      </Button>
      {got !== null && (
        <Button kind="ghost" onClick={() => stop.current?.abort()}>
          Stop
        </Button>
      )}
    </>
  );
}

/** What a list can say of a job's records in a few words. */
export function countsInShort(job: Job): string {
  const { counts } = job;
  if (!isImport(job)) return plural(counts.done, "record");
  const parts: [number, string][] = [
    [counts.added, job.dryRun ? "to add" : "added"],
    [counts.updated, job.dryRun ? "to change" : "changed"],
    [counts.skipped, "known already"],
    [counts.failed, "refused"],
  ];
  const said = parts.filter(([value], index) => value > 0 || index === 0);
  return said.map(([value, word]) => `${count(value)} ${word}`).join(", ");
}
