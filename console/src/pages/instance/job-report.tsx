import { Link } from "react-router";
import { Tag } from "@carbon/react";
import { readReport, type Job, type ReportLine } from "../../api/jobs";
import { count, plural } from "../../ui/format";
import { fileName } from "../../ui/download";
import { Listing } from "../../ui/listing";
import { Loaded, useLoad } from "../../ui/load";
import { SaveButton } from "./job-parts";
import { outcomeOf, reasonOf } from "./job-words";

const MOST = 100;

/** The records that were not simply added, and why. */
export function JobReport({ tenant, name, job }: { tenant: string; name: string; job: Job }) {
  const { updated, skipped, failed, withoutPassword } = job.counts;
  const any = updated + skipped + failed + withoutPassword > 0;
  const load = useLoad(
    async () => (any ? readReport(tenant, job.id, MOST) : { lines: [], more: false }),
    [tenant, job.id, job.state, any],
  );
  return (
    <>
      {failed === 0 && <p>{cleanOf(job)}</p>}
      {any && (
        <>
          <Loaded load={load} what="Loading the report">
            {({ lines, more }) => (
              <>
                <Lines tenant={tenant} job={job} lines={lines} />
                {more && (
                  <p className="v-small">{`These are the first ${count(MOST)}. The whole report can be downloaded.`}</p>
                )}
              </>
            )}
          </Loaded>
          <div className="v-actions">
            <SaveButton
              tenant={tenant}
              job={job.id}
              what="report"
              name={fileName("ndjson", name, job.kind, "report")}
              empty="The report is empty, so it was not saved."
            >
              Download the report
            </SaveButton>
          </div>
        </>
      )}
    </>
  );
}

/** What there is to say when no record was refused: of a job that did not read all of them, no more than it knows. */
function cleanOf({ state, counts }: Job): string {
  if (counts.done === 0) return "No record was dealt with.";
  if (state === "succeeded") return "No record that was sent was refused.";
  return `Of the first ${plural(counts.done, "record")} none was refused.`;
}

function Lines({ tenant, job, lines }: { tenant: string; job: Job; lines: ReportLine[] }) {
  return (
    <Listing
      label="Records that were not simply added"
      rows={lines.map((line, position) => ({ line, position }))}
      rowKey={({ position }) => String(position)}
      columns={[
        // Counted from 0 by the service, from 1 by people.
        { title: "No.", cell: ({ line }) => (line.index === undefined ? "–" : count(line.index + 1)) },
        { title: "User", cell: ({ line }) => <Who line={line} /> },
        {
          title: "Outcome",
          cell: ({ line }) => {
            const { text, tone } = outcomeOf(line);
            return (
              <Tag type={tone} size="sm">
                {text}
              </Tag>
            );
          },
        },
        {
          title: "Reason",
          cell: ({ line }) => <Why line={line} to={job.dryRun ? "" : existing(tenant, job, line)} />,
        },
      ]}
    />
  );
}

function Who({ line }: { line: ReportLine }) {
  return (
    <>
      {nameOf(line)}
      {line.originalId && (
        <div className="v-small">
          ID in the file: <code>{line.originalId}</code>
        </div>
      )}
    </>
  );
}

function Why({ line, to }: { line: ReportLine; to: string }) {
  const [reason, more] = reasonOf(line);
  return (
    <>
      {reason || "–"}
      {more && <div className="v-small">{more}</div>}
      {to && (
        <div>
          <Link className="cds--link" to={to} aria-label={`See who is here: ${nameOf(line)}`}>
            See who is here
          </Link>
        </div>
      )}
    </>
  );
}

function nameOf(line: ReportLine): string {
  return line.email || line.userName || line.idp || "Not named";
}

/** The page of the user a line is about, where the service names one that is there. */
function existing(tenant: string, job: Job, line: ReportLine): string {
  if (!line.id) return "";
  if (job.kind === "directory_import") return `/instances/${tenant}/users/directory/${line.id}`;
  if (job.kind === "users_import") return `/instances/${tenant}/users/profiles/${line.id}`;
  return "";
}
