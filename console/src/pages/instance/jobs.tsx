import { useEffect, useRef } from "react";
import { Link, useSearchParams } from "react-router";
import { Button, Select, SelectItem } from "@carbon/react";
import { isLive, listJobs, sleep, watchJob, type Job, type JobPage } from "../../api/jobs";
import { date, perSecond } from "../../ui/format";
import { Listing } from "../../ui/listing";
import { Empty, Loaded, useLoad, type Load } from "../../ui/load";
import { Page } from "../../ui/page";
import { countsInShort, JobProgress, StateTag } from "./job-parts";
import { kindOf, STATES } from "./job-words";
import { useInstance } from "./layout";

const SIZE = 25;
/** Jobs of a page that are followed by their events: a browser keeps few connections to one server. */
const FOLLOWED = 3;
/** Milliseconds between two looks at the list while something runs, and while nothing does. */
const BUSY = 4000;
const QUIET = 15_000;

export default function Jobs() {
  const { guid } = useInstance();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") ?? "";
  const after = params.get("after") ?? "";
  const load = useLoad(() => listJobs(guid, { state, after, count: SIZE }), [guid, state, after]);
  useLive(guid, load, { state, after });
  const here = `/instances/${guid}/jobs`;
  const bundles = (
    <>
      <Link className="cds--btn cds--btn--tertiary" to={`${here}/export-bundle`}>
        Export a bundle
      </Link>
      <Link className="cds--btn cds--btn--tertiary" to={`${here}/import-bundle`}>
        Import a bundle
      </Link>
    </>
  );
  const nothing = load.data?.jobs.length === 0 && !state && !after;
  return (
    <Page
      title="Jobs"
      lead="Large exports and imports of this instance. A job says exactly what it has done, and stays in this list for some days after its end."
      actions={!nothing && bundles}
    >
      {!nothing && (
        <div className="v-search">
          <Select
            id="job-state"
            labelText="State"
            size="md"
            value={state}
            onChange={(event) => setParams(event.target.value ? { state: event.target.value } : {})}
          >
            <SelectItem value="" text="All states" />
            {Object.entries(STATES).map(([value, { text }]) => (
              <SelectItem key={value} value={value} text={text} />
            ))}
          </Select>
        </div>
      )}
      <Loaded load={load} what="Loading the jobs">
        {({ jobs, next }) => {
          if (nothing) {
            return (
              <Empty title="There has been no job yet" action={bundles}>
                A bundle carries all users of an instance to another one: directory users with their
                passwords, profiles, attributes and roles. Imports of user files and exports that the service
                prepares are jobs too; they begin under “Users”.
              </Empty>
            );
          }
          if (jobs.length === 0) {
            return (
              <Empty
                title="No job matches"
                action={
                  <Button kind="tertiary" onClick={() => setParams({})}>
                    See all jobs
                  </Button>
                }
              >
                {after ? "There is nothing older." : "No job is in this state."}
              </Empty>
            );
          }
          return (
            <>
              <JobTable here={here} jobs={jobs} />
              {(after || next) && (
                <nav className="v-pager" aria-label="Pages">
                  <span>{after ? "Older jobs" : "The newest jobs"}</span>
                  <Button
                    kind="ghost"
                    size="md"
                    disabled={!after}
                    onClick={() => setParams(state ? { state } : {})}
                  >
                    Newest
                  </Button>
                  <Button
                    kind="ghost"
                    size="md"
                    disabled={!next}
                    onClick={() => next && setParams({ ...(state && { state }), after: next })}
                  >
                    Older
                  </Button>
                </nav>
              )}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function JobTable({ here, jobs }: { here: string; jobs: Job[] }) {
  return (
    <Listing
      label="Jobs"
      rows={jobs}
      rowKey={(job) => job.id}
      columns={[
        {
          title: "Job",
          cell: (job) => (
            <Link className="cds--link" to={`${here}/${job.id}`}>
              {kindOf(job)}
            </Link>
          ),
        },
        { title: "State", cell: (job) => <StateTag job={job} /> },
        {
          title: "Records",
          cell: (job) =>
            isLive(job) ? <JobProgress brief job={job} label={countsInShort(job)} /> : countsInShort(job),
        },
        { title: "Speed", cell: (job) => (job.rate ? perSecond(job.rate) : "–") },
        {
          title: "Started",
          cell: (job) => (
            <>
              {date(job.started ?? job.created)}
              {job.createdBy && <div className="v-small">{`by ${shortened(job.createdBy)}`}</div>}
            </>
          ),
        },
      ]}
    />
  );
}

/** An ID as far as a list has room for it; the job's page has all of it. */
function shortened(id: string): string {
  return id.length > 20 ? `${id.slice(0, 14)}…` : id;
}

/** Keeps what is shown true: running jobs by their events, the list itself by looking at it again. */
function useLive(tenant: string, load: Load<JobPage>, search: { state: string; after: string }) {
  const { state, after } = search;
  const page = useRef(load);
  page.current = load;
  const live = (load.data?.jobs ?? []).filter(isLive).map((job) => job.id);
  const busy = live.length > 0;
  const followed = live.slice(0, FOLLOWED).join(" ");
  useEffect(() => {
    const end = new AbortController();
    for (const id of followed.split(" ").filter(Boolean)) {
      const told = (job: Job) => {
        const { data, put } = page.current;
        if (data && !end.signal.aborted)
          put({ ...data, jobs: data.jobs.map((one) => (one.id === id ? job : one)) });
      };
      // A job that went meanwhile goes from the list at the next look.
      watchJob({ tenant, id, signal: end.signal, told }).catch(() => undefined);
    }
    return () => end.abort();
  }, [tenant, followed]);
  useEffect(() => {
    const end = new AbortController();
    const look = async () => {
      for (;;) {
        await sleep(busy ? BUSY : QUIET, end.signal);
        if (end.signal.aborted) return;
        if (document.hidden || page.current.error || page.current.loading) continue;
        const found = await listJobs(tenant, { state, after, count: SIZE }).catch(() => undefined);
        if (found && !end.signal.aborted) page.current.put(found);
      }
    };
    void look();
    return () => end.abort();
  }, [tenant, state, after, busy]);
}
