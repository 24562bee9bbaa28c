import { useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";
import { Button, Search, TextInput } from "@carbon/react";
import { Add } from "@carbon/icons-react";
import {
  createInstance,
  deleteInstance,
  listInstances,
  renameInstance,
  type Instance,
} from "../api/platform";
import { ConfirmDialog, FormDialog } from "../ui/dialog";
import { date, plural } from "../ui/format";
import { Listing } from "../ui/listing";
import { Empty, Loaded, useLoad } from "../ui/load";
import { useNotices } from "../ui/notices";
import { Page } from "../ui/page";
import { InstanceTabs } from "./instance-tabs";

type Open = { what: "create" } | { what: "rename" | "delete"; instance: Instance } | null;

export default function Instances() {
  const load = useLoad(() => listInstances("active"), []);
  const notices = useNotices();
  const [open, setOpen] = useState<Open>(null);
  const [filter, setFilter] = useState("");
  const [more, setMore] = useState(false);
  const next = load.data?.next_url ?? null;

  async function loadMore() {
    if (!load.data || !next || more) return;
    setMore(true);
    try {
      const page = await listInstances("active", next);
      load.put({ resources: [...load.data.resources, ...page.resources], next_url: page.next_url });
    } catch (error) {
      notices.failed(error);
      setFilter("");
    } finally {
      setMore(false);
    }
  }
  // A filter looks at every instance, not only at the pages that happen to be loaded.
  useEffect(() => {
    if (filter && next && !more) void loadMore();
  });

  const create = (
    <Button renderIcon={Add} onClick={() => setOpen({ what: "create" })}>
      Create instance
    </Button>
  );
  return (
    <Page
      title="Instances"
      lead="Each instance has its own users, applications and sign-in settings."
      actions={load.data && load.data.resources.length > 0 && create}
    >
      <InstanceTabs />
      <Loaded load={load} what="Loading the instances">
        {({ resources }) => {
          if (resources.length === 0) {
            return (
              <Empty title="There is no instance yet" action={create}>
                Create one to give an application sign-in and users.
              </Empty>
            );
          }
          const wanted = filter.trim().toLowerCase();
          const rows = resources.filter((one) =>
            [one.name, one.guid, one.region_id].some((text) => text?.toLowerCase().includes(wanted)),
          );
          return (
            <>
              <Search
                className="v-filter"
                labelText="Filter instances"
                placeholder="Filter by name, ID or region"
                size="lg"
                value={filter}
                onChange={(event) => setFilter(event.target.value)}
                closeButtonLabelText="Clear the filter"
              />
              {rows.length === 0 && !next ? (
                <Empty
                  title="No instance matches"
                  action={
                    <Button kind="tertiary" onClick={() => setFilter("")}>
                      Clear the filter
                    </Button>
                  }
                >
                  None of the {plural(resources.length, "instance")} has “{filter}” in its name, ID or region.
                </Empty>
              ) : (
                <Listing
                  label="Instances"
                  rows={rows}
                  rowKey={(one) => one.guid}
                  columns={[
                    {
                      title: "Name",
                      cell: (one) => (
                        <Link className="cds--link" to={`/instances/${one.guid}`}>
                          {one.name}
                        </Link>
                      ),
                    },
                    { title: "Region", cell: (one) => one.region_id },
                    { title: "ID", cell: (one) => <code>{one.guid}</code> },
                    { title: "Created", cell: (one) => date(one.created_at) },
                    {
                      title: "Actions",
                      actions: true,
                      cell: (one) => (
                        <>
                          <Button
                            kind="ghost"
                            size="sm"
                            aria-label={`Rename ${one.name}`}
                            onClick={() => setOpen({ what: "rename", instance: one })}
                          >
                            Rename
                          </Button>
                          <Button
                            kind="danger--ghost"
                            size="sm"
                            aria-label={`Delete ${one.name}`}
                            onClick={() => setOpen({ what: "delete", instance: one })}
                          >
                            Delete
                          </Button>
                        </>
                      ),
                    },
                  ]}
                />
              )}
              {next && (
                <Button kind="tertiary" disabled={more} onClick={() => void loadMore()}>
                  {more ? "Loading…" : "Load more"}
                </Button>
              )}
            </>
          );
        }}
      </Loaded>
      {open?.what === "create" && (
        <CreateDialog region={load.data?.resources[0]?.region_id} onClose={() => setOpen(null)} />
      )}
      {open?.what === "rename" && (
        <RenameDialog
          instance={open.instance}
          onClose={() => setOpen(null)}
          onDone={(name) => {
            setOpen(null);
            notices.done(`${open.instance.name} is now called ${name}.`);
            load.reload();
          }}
        />
      )}
      {open?.what === "delete" && (
        <ConfirmDialog
          title={`Delete ${open.instance.name}?`}
          submit="Delete instance"
          typed={open.instance.name}
          onClose={() => setOpen(null)}
          onSubmit={async () => {
            await deleteInstance(open.instance.guid);
            setOpen(null);
            notices.done(`${open.instance.name} is deleted. It can be restored from “Deleted” for a while.`);
            load.reload();
          }}
        >
          <p>
            Its applications stop working at once and nobody can sign in. The instance with its users rests
            under “Deleted”, where it can be restored until its retention period ends. After that it is
            destroyed.
          </p>
        </ConfirmDialog>
      )}
    </Page>
  );
}

function CreateDialog({ region, onClose }: { region: string | undefined; onClose: () => void }) {
  const navigate = useNavigate();
  const notices = useNotices();
  const [name, setName] = useState("");
  const [target, setTarget] = useState(region ?? "local");
  return (
    <FormDialog
      title="Create instance"
      submit="Create"
      ready={name.trim() !== "" && target.trim() !== ""}
      onClose={onClose}
      onSubmit={async () => {
        const made = await createInstance(name.trim(), target.trim());
        notices.doneAndLeaving(`${made.name} is created.`);
        await navigate(`/instances/${made.guid}`);
      }}
    >
      <TextInput
        id="instance-name"
        data-first-field
        labelText="Name"
        autoComplete="off"
        maxLength={180}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <TextInput
        id="instance-region"
        labelText="Region"
        helperText="A name for where the instance belongs. It cannot be changed later."
        autoComplete="off"
        spellCheck={false}
        value={target}
        onChange={(event) => setTarget(event.target.value)}
      />
    </FormDialog>
  );
}

function RenameDialog(props: { instance: Instance; onClose: () => void; onDone: (name: string) => void }) {
  const [name, setName] = useState(props.instance.name);
  return (
    <FormDialog
      title={`Rename ${props.instance.name}`}
      submit="Rename"
      ready={name.trim() !== "" && name.trim() !== props.instance.name}
      onClose={props.onClose}
      onSubmit={async () => {
        const renamed = await renameInstance(props.instance.guid, name.trim());
        props.onDone(renamed.name);
      }}
    >
      <TextInput
        id="instance-name"
        data-first-field
        labelText="Name"
        autoComplete="off"
        maxLength={180}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
    </FormDialog>
  );
}
