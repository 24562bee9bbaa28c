import { useState, type ReactNode } from "react";
import { Link } from "react-router";
import { Button, ProgressBar } from "@carbon/react";
import { ApiError } from "../../api/errors";
import { pauseJob, type Job } from "../../api/jobs";
import type { Instance } from "../../api/platform";
import { ConfirmDialog } from "../../ui/dialog";
import { bytes, count, plural } from "../../ui/format";
import { Told } from "../../ui/notices";
import { Section } from "../../ui/page";
import { JobCounts, JobProgress, JobTroubles } from "./job-parts";
import { JobReport } from "./job-report";
import { isAllRefused } from "./job-words";
import { cancelUpload, stopUpload, type Upload } from "./uploads";

/** A file that is being sent: what the service has done with it so far. */
export function ImportRunning(props: { upload: Upload; job: Job | undefined; words: { many: string } }) {
  const { upload, job, words } = props;
  const { tenant, file } = upload;
  const [asking, setAsking] = useState(false);
  const [stopping, setStopping] = useState(false);
  const share = Math.min(upload.sent / file.size, 1);
  const label = `${upload.dryRun ? "Checking" : "Importing"} ${words.many}`;
  async function end(how: (tenant: string, id: string) => Promise<unknown>) {
    setStopping(true);
    try {
      await how(tenant, upload.job);
    } catch (error) {
      // A job that is not there yet, or has just ended, needs no telling.
      if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 409)) throw error;
    } finally {
      stopUpload(upload.job);
      setStopping(false);
    }
  }
  return (
    <>
      <div className="v-progress">
        {job ? (
          <JobProgress job={job} label={label} share={share} total={upload.users} />
        ) : (
          <ProgressBar
            label={label}
            max={1}
            value={share}
            helperText={`${bytes(Math.min(upload.sent, file.size))} of ${bytes(file.size)} sent`}
          />
        )}
        <p className="v-small">
          {`${bytes(Math.min(upload.sent, file.size))} of ${bytes(file.size)} are sent. Other pages of the console can be used meanwhile; closing this window breaks it off.`}
        </p>
        <div className="v-actions">
          <Button
            kind="tertiary"
            disabled={stopping}
            onClick={() => void end(pauseJob).catch(() => undefined)}
          >
            Pause
          </Button>
          <Button kind="danger--ghost" disabled={stopping} onClick={() => setAsking(true)}>
            Cancel
          </Button>
          {job && <SeeJob job={job.id} tenant={tenant} />}
        </div>
      </div>
      {job && <JobCounts job={job} />}
      {asking && (
        <ConfirmDialog
          title={upload.dryRun ? "Cancel the check?" : "Cancel the import?"}
          submit="Stop it"
          dismiss="Let it run"
          onClose={() => setAsking(false)}
          onSubmit={() => end(cancelUpload)}
        >
          <p>
            {upload.dryRun
              ? "Nothing has been changed."
              : "What was imported until then stays; the rest of the file is not imported."}
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}

/** Why a job waits for its file, and how far it has come. */
export function ImportStopped(props: { tenant: string; upload: Upload | undefined; job: Job | undefined }) {
  const { tenant, upload, job } = props;
  const broken = upload?.error ?? "";
  const done = job?.counts.done ?? 0;
  const name = upload?.file.name ?? "the file";
  const reached =
    done === 0
      ? "Nothing was imported yet."
      : `The first ${plural(done, "user")} of ${name} are dealt with, and the job is paused there.`;
  const next =
    done === 0
      ? "Send the file again."
      : "Send the same file again: what was dealt with is passed over, so nobody is added twice.";
  return (
    <>
      <Told
        kind="warning"
        title={broken ? "The import broke off" : "Paused"}
        text={[broken, reached, next].filter(Boolean).join(" ")}
      />
      {job && <JobCounts job={job} />}
      {job && (
        <p>
          <Link className="cds--link" to={`/instances/${tenant}/jobs/${job.id}`}>
            See the job
          </Link>
        </p>
      )}
    </>
  );
}

/** What became of a file. */
export function ImportResult(props: {
  instance: Instance;
  job: Job;
  file: string | undefined;
  children?: ReactNode;
}) {
  const { instance, job } = props;
  const { done, failed, withoutPassword } = job.counts;
  const file = props.file ?? "the file";
  return (
    <>
      {job.state === "succeeded" && (
        <Told
          kind={failed + withoutPassword === 0 ? "success" : "warning"}
          title={isAllRefused(job) ? "All users were refused" : job.dryRun ? "Checked" : "Finished"}
          text={
            job.dryRun
              ? `All ${count(done)} users of ${file} were checked. Nothing was changed.`
              : `All ${count(done)} users of ${file} were sent.`
          }
        />
      )}
      {job.state === "cancelled" && (
        <Told
          kind="warning"
          title="Cancelled"
          text={
            job.dryRun
              ? "The check was stopped. Nothing was changed."
              : `The import was stopped after ${plural(done, "user")}. What was imported stays.`
          }
        />
      )}
      <JobTroubles job={job} />
      <Section title="Report">
        <JobCounts job={job} />
        <JobReport tenant={instance.guid} name={instance.name} job={job} />
        <div className="v-actions">
          <SeeJob job={job.id} tenant={instance.guid} />
          {props.children}
        </div>
      </Section>
      {job.dryRun && <h2 className="v-after">Import the file</h2>}
    </>
  );
}

function SeeJob({ job, tenant }: { job: string; tenant: string }) {
  return (
    <Link className="cds--btn cds--btn--ghost" to={`/instances/${tenant}/jobs/${job}`}>
      See the job
    </Link>
  );
}
