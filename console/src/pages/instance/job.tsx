import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { ApiError } from "../../api/errors";
import { deleteJob, hasEnded, isLive, pauseJob, resumeJob, type Job } from "../../api/jobs";
import { BusyButton } from "../../ui/busy-button";
import { CopyList } from "../../ui/copy";
import { ConfirmDialog } from "../../ui/dialog";
import { fileName } from "../../ui/download";
import { count, date, perSecond, timeTaken } from "../../ui/format";
import { Failed, Loading } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { focusHeading, Page, Section } from "../../ui/page";
import { JobCounts, JobProgress, JobTroubles, SaveButton, StateTag } from "./job-parts";
import { JobReport } from "./job-report";
import { isImport, kindOf, policyOf } from "./job-words";
import { useInstance } from "./layout";
import { hasChart, RateChart } from "./rate-chart";
import { cancelUpload, stopUpload, useUpload } from "./uploads";
import { useJob, type FollowedJob } from "./use-job";

export default function JobPage() {
  const { guid } = useInstance();
  const { jobId = "" } = useParams();
  const followed = useJob(guid, jobId);
  const crumbs = [{ to: `/instances/${guid}/jobs`, text: "Jobs" }];
  const { job, error, retry } = followed;
  if (job) return <Shown key={job.id} job={job} followed={followed} />;
  return (
    <Page title="Job" crumbs={crumbs}>
      {error ? <Failed error={error} retry={retry} /> : <Loading what="Loading the job" />}
    </Page>
  );
}

function Shown({ job, followed }: { job: Job; followed: FollowedJob }) {
  const instance = useInstance();
  const tenant = instance.guid;
  const file = job.downloadUrl !== null;
  const upload = useUpload(job.id);
  return (
    <Page
      title={kindOf(job)}
      crumbs={[{ to: `/instances/${tenant}/jobs`, text: "Jobs" }]}
      actions={<Actions job={job} followed={followed} />}
    >
      <div className="v-job-state">
        <StateTag job={job} />
        <Aside job={job} />
      </div>
      <JobTroubles job={job} />
      {!hasEnded(job) && (
        <div className="v-progress">
          <JobProgress
            job={job}
            label={isLive(job) ? "Progress" : "Progress until it was paused"}
            share={upload && upload.sent / upload.file.size}
            total={upload?.users}
          />
        </div>
      )}
      <JobCounts
        job={job}
        more={[
          ...(job.counts.total !== null && isImport(job)
            ? ([["In the file", count(job.counts.total)]] as [string, string][])
            : []),
          ...(job.rate ? ([["Speed on average", perSecond(job.rate)]] as [string, string][]) : []),
          ...(job.started && job.ended ? ([["It took", tookOf(job)]] as [string, string][]) : []),
        ]}
      />
      {hasChart(followed.samples) && (
        <Section title="Speed">
          <RateChart samples={followed.samples} />
        </Section>
      )}
      {(file || job.digest) && (
        <Section
          title="File"
          lead={file ? `The file is kept until ${date(job.expires)}.` : "The digest of what was moved."}
        >
          {job.digest && <CopyList entries={[["Digest", job.digest]]} />}
          {file && (
            <div className="v-actions">
              <SaveButton
                tenant={tenant}
                job={job.id}
                what="download"
                kind="primary"
                name={
                  job.kind === "bundle_export"
                    ? fileName("vbundle", instance.name)
                    : fileName("json", instance.name, "directory-users")
                }
              >
                Download the file
              </SaveButton>
            </div>
          )}
        </Section>
      )}
      {isImport(job) && !isLive(job) && job.counts.done > 0 && (
        <Section
          title="Report"
          lead={job.dryRun ? "This file was only checked: nothing was changed." : undefined}
        >
          <JobReport tenant={tenant} name={instance.name} job={job} />
          {job.kind === "bundle_import" && !job.dryRun && job.counts.added > 0 && (
            <div className="v-actions">
              <SaveButton
                tenant={tenant}
                job={job.id}
                what="map"
                name={fileName("ndjson", instance.name, "id-map")}
                empty="No ID changed, so there is no map to save."
              >
                Download the ID map
              </SaveButton>
            </div>
          )}
        </Section>
      )}
      <Section title="Details">
        <CopyList
          entries={[
            ["Job ID", job.id],
            ...(job.createdBy ? [["Created by", job.createdBy] as [string, string]] : []),
          ]}
        />
        <dl className="v-facts">
          {detailsOf(job).map(([label, value]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </Section>
    </Page>
  );
}

/** What the state means for whoever reads it. */
function Aside({ job }: { job: Job }) {
  const { guid } = useInstance();
  const upload = useUpload(job.id);
  const sending = upload?.phase === "sending";
  const kind = job.kind === "users_import" ? "profiles" : "directory";
  if (sending) {
    return (
      <p>
        This window is sending the file. Keep it open.{" "}
        <Link className="cds--link" to={`/instances/${guid}/users/${kind}/import`}>
          See the import
        </Link>
      </p>
    );
  }
  if (job.state === "queued") return <p>It begins as soon as the service has room for it.</p>;
  if (job.state === "running" && !isStream(job)) return <p>It goes on when this page is closed.</p>;
  if (job.state === "paused") {
    return <p>{restOf(job)}</p>;
  }
  return null;
}

function Actions({ job, followed }: { job: Job; followed: FollowedJob }) {
  const { guid } = useInstance();
  const notices = useNotices();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(false);
  const stream = isStream(job);
  const sendAgain = `/instances/${guid}/users/${job.kind === "users_import" ? "profiles" : "directory"}/import?job=${job.id}`;
  async function act(action: () => Promise<void>) {
    setBusy(true);
    notices.clear();
    try {
      await action();
    } catch (error) {
      notices.failed(error);
    } finally {
      setBusy(false);
    }
  }
  const pause = () =>
    act(async () => {
      followed.put(await pauseJob(guid, job.id));
      focusHeading();
      stopUpload(job.id);
    });
  const resume = () =>
    act(async () => {
      try {
        const resumed = await resumeJob(guid, job.id);
        followed.put(resumed);
        focusHeading();
        if (stream && resumed.waitsForInput) await navigate(sendAgain);
      } catch (error) {
        if (!stream || !(error instanceof ApiError) || error.code !== "NEEDS_INPUT") throw error;
        // The service holds no file of an import that came as a stream.
        await navigate(sendAgain);
      }
    });
  const ended = hasEnded(job);
  return (
    <>
      {isLive(job) && (
        <BusyButton kind="tertiary" size="md" busy={busy} onClick={() => void pause()}>
          Pause
        </BusyButton>
      )}
      {job.state === "paused" &&
        (job.kind === "users_import" ? (
          <Link className="cds--btn cds--btn--primary cds--btn--md cds--layout--size-md" to={sendAgain}>
            Send the file again
          </Link>
        ) : (
          <BusyButton size="md" busy={busy} onClick={() => void resume()}>
            Resume
          </BusyButton>
        ))}
      <BusyButton kind="danger--tertiary" size="md" busy={busy} onClick={() => setAsking(true)}>
        {ended ? "Remove from the list" : "Cancel the job"}
      </BusyButton>
      {asking && (
        <ConfirmDialog
          title={ended ? "Remove this job from the list?" : "Cancel this job?"}
          submit={ended ? "Remove" : "Cancel the job"}
          dismiss={ended ? undefined : "Let it run"}
          onClose={() => setAsking(false)}
          onSubmit={async () => {
            if (ended) {
              await deleteJob(guid, job.id);
              notices.doneAndLeaving("The job is removed from the list.");
              await navigate(`/instances/${guid}/jobs`);
              return;
            }
            await cancelUpload(guid, job.id);
            setAsking(false);
            notices.done("The job is being cancelled.");
            followed.put(job);
          }}
        >
          <p>{ended ? removalOf(job) : cancellationOf(job)}</p>
        </ConfirmDialog>
      )}
    </>
  );
}

/** Whether it may be fed by a request, which ends when its sender goes. */
function isStream(job: Job): boolean {
  return job.kind === "directory_import" || job.kind === "users_import";
}

/** Why a job rests, and where. */
function restOf({ counts, pausedBy }: Job): string {
  const where = counts.done === 0 ? "before its first record" : `after record ${count(counts.done)}`;
  const why = pausedBy === "sender" ? "It broke off" : "Somebody paused it";
  return `${why} ${where}. It can go on from there.`;
}

function removalOf(job: Job): string {
  if (job.downloadUrl) return "Its file is deleted too and cannot be downloaded any more.";
  return isImport(job)
    ? "Its report is deleted too. The users that were imported stay."
    : "What is known of it is deleted.";
}

function cancellationOf(job: Job): string {
  if (!isImport(job)) return "It stops, and no file is made.";
  if (job.dryRun) return "The check stops. Nothing was changed.";
  return "It stops at the next checkpoint. What was imported until then stays; the rest of the file is not imported.";
}

function tookOf(job: Job): string {
  return timeTaken(Date.parse(job.ended ?? "") - Date.parse(job.started ?? ""));
}

function detailsOf(job: Job): [string, string][] {
  const all: [string, string | null][] = [
    ["Created", date(job.created)],
    ["Started", job.started && date(job.started)],
    ["Ended", job.ended && date(job.ended)],
    ["Leaves the list", hasEnded(job) && job.expires ? date(job.expires) : null],
    ["Node", job.node],
    ["Users who exist already", isImport(job) ? policyOf(job) : null],
    ["Only users for whom", job.where ?? null],
  ];
  return all.filter((entry): entry is [string, string] => Boolean(entry[1]));
}
