import { useCallback, useEffect, useState } from "react";
import { hasEnded, sleep, watchJob, type Job } from "../../api/jobs";
import { sentenceOf } from "../../api/errors";

/** How many records were done at a moment, in milliseconds. */
export interface Sample {
  at: number;
  done: number;
}

export interface FollowedJob {
  job: Job | undefined;
  samples: Sample[];
  error: string;
  /** Puts in place what an action has answered, and follows on from there. */
  put: (job: Job) => void;
  retry: () => void;
}

/** Milliseconds between two looks at a job that is paused: someone else may resume it. */
const PAUSED = 5000;
/** Milliseconds between two samples at least. */
const APART = 400;
/** Samples that are kept of one job; past it every other one goes. */
const MOST = 400;

const samplesOf = new Map<string, Sample[]>();

/** Follows a job for as long as the page is open. With `expected`, a job that is about to be made is waited for. */
export function useJob(tenant: string, id: string, expected = false): FollowedJob {
  const [state, setState] = useState<{ id: string; job?: Job; error: string }>({ id, error: "" });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!id) return;
    const end = new AbortController();
    void follow(tenant, id, expected, end.signal, setState);
    return () => end.abort();
  }, [tenant, id, expected, turn]);
  const put = useCallback((job: Job) => {
    setState({ id: job.id, job, error: "" });
    setTurn((before) => before + 1);
  }, []);
  const retry = useCallback(() => {
    setState({ id, error: "" });
    setTurn((before) => before + 1);
  }, [id]);
  const current = state.id === id ? state : { error: "" };
  return {
    job: "job" in current ? current.job : undefined,
    samples: samplesOf.get(id) ?? [],
    error: current.error,
    put,
    retry,
  };
}

async function follow(
  tenant: string,
  id: string,
  expected: boolean,
  signal: AbortSignal,
  setState: (state: { id: string; job?: Job; error: string }) => void,
) {
  let latest: Job | undefined;
  const told = (job: Job) => {
    if (signal.aborted) return;
    latest = job;
    sample(job);
    setState({ id, job, error: "" });
  };
  try {
    while (!signal.aborted) {
      await watchJob({ tenant, id, expected, signal, told });
      if (latest && hasEnded(latest)) return;
      await sleep(PAUSED, signal);
    }
  } catch (error) {
    if (!signal.aborted) setState({ id, error: sentenceOf(error) });
  }
}

function sample(job: Job) {
  if (job.state !== "running") return;
  const kept = samplesOf.get(job.id) ?? [];
  const last = kept.at(-1);
  const at = Date.now();
  if (last && at - last.at < APART) return;
  // A job that was paused goes on from where it was; one whose count fell is being counted anew.
  if (last && job.counts.done < last.done) kept.length = 0;
  kept.push({ at, done: job.counts.done });
  samplesOf.set(job.id, kept.length > MOST ? kept.filter((_, index) => index % 2 === 0) : kept);
}
