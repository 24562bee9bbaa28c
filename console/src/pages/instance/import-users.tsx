import { useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Button } from "@carbon/react";
import { hasEnded } from "../../api/jobs";
import type { UserKind } from "../../api/transfer";
import { randomId } from "../../api/upload";
import { Failed, Loading } from "../../ui/load";
import { Told } from "../../ui/notices";
import { Page } from "../../ui/page";
import { ImportForm, NEW_DRAFT } from "./import-form";
import { ImportResult, ImportRunning, ImportStopped } from "./import-stages";
import { withEffect } from "./job-words";
import { useInstance } from "./layout";
import { KIND_WORDS } from "./transfer-words";
import { forgetUpload, startUpload, useUploads } from "./uploads";
import { useJob } from "./use-job";

export default function ImportUsers({ kind }: { kind: UserKind }) {
  const instance = useInstance();
  const tenant = instance.guid;
  const [params, setParams] = useSearchParams();
  const words = KIND_WORDS[kind];
  const asked = params.get("job") ?? "";
  const upload = useUploads().find(
    (one) => one.tenant === tenant && one.kind === kind && (!asked || one.job === asked),
  );
  const sending = upload?.phase === "sending";
  const refused = upload?.phase === "refused";
  const followed = useJob(tenant, refused ? "" : (upload?.job ?? asked), sending);
  const job = upload?.answer && hasEnded(upload.answer) ? upload.answer : followed.job;
  const [draft, setDraft] = useState(NEW_DRAFT);
  // Counts the files, so that each starts with an empty form.
  const [files, setFiles] = useState(1);
  useForgotten(upload?.phase === "sending" ? "" : (upload?.job ?? ""));

  const ended = !sending && job !== undefined && hasEnded(job);
  const finished = ended && !job.dryRun;
  // A job that has neither ended nor is being fed waits for its file.
  const again = !sending && !refused && !ended && (upload !== undefined || asked !== "");
  const policy = upload?.policy ?? {
    ...draft.policy,
    onConflict: job?.onConflict ?? draft.policy.onConflict,
  };
  const settled = again ? upload : undefined;
  const chosen = settled ?? draft.chosen;

  useEffect(() => {
    // The secret is not needed any more.
    if (finished) setDraft((before) => ({ ...before, secret: "" }));
  }, [finished]);

  function start(dryRun: boolean) {
    if (!chosen) return;
    const { file, encoding, users } = chosen;
    const id = again ? (upload?.job ?? asked) : randomId();
    if (upload && !again) forgetUpload(upload.job);
    void startUpload(
      {
        tenant,
        kind,
        job: id,
        file,
        encoding,
        users,
        policy: again ? { ...policy, withoutPassword: draft.policy.withoutPassword } : draft.policy,
        resumed: again,
        dryRun: again ? (upload?.dryRun ?? job?.dryRun ?? false) : dryRun,
      },
      draft.secret,
    );
  }
  function startOver() {
    if (upload) forgetUpload(upload.job);
    setParams({});
    setDraft(NEW_DRAFT);
    setFiles(files + 1);
  }
  const waitsForJob = again && !upload && !job;
  return (
    <Page
      title={`Import ${words.many}`}
      lead={words.importLead}
      crumbs={[{ to: `/instances/${tenant}/users/${kind}`, text: words.title }]}
    >
      {upload && sending && <ImportRunning upload={upload} job={job} words={words} />}
      {refused && <Told kind="error" text={withEffect(upload.error, "Nobody was imported.")} />}
      {ended && (
        <ImportResult instance={instance} job={job} file={upload?.file.name}>
          {finished && (
            <>
              <Link className="cds--btn cds--btn--ghost" to={`/instances/${tenant}/users/${kind}`}>
                See the users
              </Link>
              <Button kind="ghost" onClick={startOver}>
                Import another file
              </Button>
            </>
          )}
        </ImportResult>
      )}
      {again && !waitsForJob && <ImportStopped tenant={tenant} upload={upload} job={job} />}
      {waitsForJob &&
        (followed.error ? (
          <Failed error={followed.error} retry={followed.retry} />
        ) : (
          <Loading what="Loading the job" />
        ))}
      {!finished && !waitsForJob && (
        <ImportForm
          key={files}
          kind={kind}
          draft={again ? { ...draft, policy: { ...draft.policy, onConflict: policy.onConflict } } : draft}
          onChange={setDraft}
          again={again}
          settled={settled}
          hidden={sending}
          onStart={() => start(false)}
          onCheck={() => start(true)}
        >
          {again && (
            <Button kind="ghost" onClick={startOver}>
              Begin anew with another file
            </Button>
          )}
        </ImportForm>
      )}
    </Page>
  );
}

/** Forgets an upload that is over once the page is left, and its file with it. */
function useForgotten(job: string) {
  const over = useRef(job);
  over.current = job;
  useEffect(
    () => () => {
      if (over.current) forgetUpload(over.current);
    },
    [],
  );
}
