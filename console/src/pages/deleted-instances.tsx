import { useState } from "react";
import { Link } from "react-router";
import { Button } from "@carbon/react";
import {
  actOnReclamation,
  listInstances,
  listReclamations,
  type Instance,
  type Reclamation,
} from "../api/platform";
import { ConfirmDialog } from "../ui/dialog";
import { date } from "../ui/format";
import { Listing } from "../ui/listing";
import { Empty, Loaded, useLoad } from "../ui/load";
import { useNotices } from "../ui/notices";
import { Page } from "../ui/page";
import { InstanceTabs } from "./instance-tabs";

interface Resting {
  instance: Instance;
  reclamation: Reclamation | undefined;
}

export default function DeletedInstances() {
  const load = useLoad(readResting, []);
  const notices = useNotices();
  const [destroying, setDestroying] = useState<Resting | null>(null);
  const [restoring, setRestoring] = useState("");

  async function restore({ instance, reclamation }: Resting) {
    if (!reclamation || restoring) return;
    setRestoring(instance.guid);
    try {
      await actOnReclamation(reclamation.id, "restore");
      notices.done(`${instance.name} is restored and in use again.`);
      load.reload();
    } catch (error) {
      notices.failed(error);
    } finally {
      setRestoring("");
    }
  }
  return (
    <Page
      title="Instances"
      lead="A deleted instance rests here for its retention period. Restore it whole, or destroy it now."
    >
      <InstanceTabs />
      <Loaded load={load} what="Loading the deleted instances">
        {(rows) =>
          rows.length === 0 ? (
            <Empty
              title="No deleted instances"
              action={
                <Link className="cds--btn cds--btn--tertiary" to="/instances">
                  See the instances in use
                </Link>
              }
            >
              Instances that are deleted wait here until their retention period ends.
            </Empty>
          ) : (
            <Listing
              label="Deleted instances"
              rows={rows}
              rowKey={(one) => one.instance.guid}
              columns={[
                { title: "Name", cell: (one) => one.instance.name },
                { title: "Region", cell: (one) => one.instance.region_id },
                { title: "ID", cell: (one) => <code>{one.instance.guid}</code> },
                {
                  title: "Deleted",
                  cell: (one) => date(one.instance.deleted_at ?? one.reclamation?.created_at),
                },
                { title: "Destroyed on", cell: (one) => date(one.reclamation?.target_time) },
                {
                  title: "Actions",
                  actions: true,
                  cell: (one) =>
                    one.reclamation ? (
                      <>
                        <Button
                          kind="ghost"
                          size="sm"
                          disabled={restoring !== ""}
                          aria-label={`Restore ${one.instance.name}`}
                          onClick={() => void restore(one)}
                        >
                          {restoring === one.instance.guid ? "Restoring…" : "Restore"}
                        </Button>
                        <Button
                          kind="danger--ghost"
                          size="sm"
                          aria-label={`Destroy ${one.instance.name}`}
                          onClick={() => setDestroying(one)}
                        >
                          Destroy
                        </Button>
                      </>
                    ) : (
                      <span>Being destroyed</span>
                    ),
                },
              ]}
            />
          )
        }
      </Loaded>
      {destroying && (
        <ConfirmDialog
          title={`Destroy ${destroying.instance.name} for good?`}
          submit="Destroy instance"
          typed={destroying.instance.name}
          onClose={() => setDestroying(null)}
          onSubmit={async () => {
            await actOnReclamation(destroying.reclamation?.id ?? "", "reclaim");
            setDestroying(null);
            notices.done(`${destroying.instance.name} is destroyed.`);
            load.reload();
          }}
        >
          <p>Its users, applications, settings and keys are destroyed now. This cannot be undone.</p>
        </ConfirmDialog>
      )}
    </Page>
  );
}

async function readResting(): Promise<Resting[]> {
  const [reclamations, instances] = await Promise.all([listReclamations(), readAll()]);
  return instances.map((instance) => ({
    instance,
    reclamation: reclamations.find((one) => belongsTo(one, instance)),
  }));
}

/** The service names the instance by its GUID in one member and by its CRN in another. */
function belongsTo(reclamation: Reclamation, instance: Instance): boolean {
  return [reclamation.entity_id, reclamation.resource_instance_id].some(
    (id) => id === instance.guid || id === instance.crn,
  );
}

async function readAll(): Promise<Instance[]> {
  let page = await listInstances("pending_reclamation");
  const all = [...page.resources];
  while (page.next_url) {
    page = await listInstances("pending_reclamation", page.next_url);
    all.push(...page.resources);
  }
  return all;
}
