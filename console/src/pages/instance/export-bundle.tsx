import { useState } from "react";
import { useNavigate } from "react-router";
import { sentenceOf } from "../../api/errors";
import { startBundleExport } from "../../api/transfer";
import { BusyButton } from "../../ui/busy-button";
import { Page } from "../../ui/page";
import { Told } from "../../ui/notices";
import { DaysField, daysReady } from "./file-fields";
import { useInstance } from "./layout";
import { NewSecret, NO_SECRET, secretReady } from "./secret-fields";
import { WhereField } from "./where-field";

export default function ExportBundle() {
  const instance = useInstance();
  const navigate = useNavigate();
  const [secret, setSecret] = useState(NO_SECRET);
  const [where, setWhere] = useState("");
  const [days, setDays] = useState("7");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const ready = secretReady(secret) && daysReady(days);
  async function start() {
    setBusy(true);
    setError("");
    try {
      const job = await startBundleExport(instance.guid, {
        encryptionSecret: secret.first,
        ...(where.trim() && { where: where.trim() }),
        expires: Number(days),
      });
      setSecret(NO_SECRET);
      await navigate(`/instances/${instance.guid}/jobs/${job.id}`);
    } catch (thrown) {
      setError(sentenceOf(thrown));
      setBusy(false);
    }
  }
  return (
    <Page
      title="Export a bundle"
      lead="Has the service make one file of all users: directory users with their password hashes, profiles with attributes and roles, and their IDs. It is a job, and needs the Manager role."
      crumbs={[{ to: `/instances/${instance.guid}/jobs`, text: "Jobs" }]}
    >
      <form
        className="v-form v-form--page"
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) void start();
        }}
      >
        <NewSecret secret={secret} onChange={setSecret} />
        <WhereField where={where} onChange={setWhere} />
        <DaysField days={days} onChange={setDays} />
        {error && <Told kind="error" text={error} />}
        <div>
          <BusyButton type="submit" busy={busy} disabled={!ready}>
            {busy ? "Starting…" : error ? "Try again" : "Start the export"}
          </BusyButton>
        </div>
      </form>
    </Page>
  );
}
