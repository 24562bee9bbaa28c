import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { Button, TextInput } from "@carbon/react";
import {
  getProvider,
  listApplications,
  listRoles,
  searchDirectory,
  searchProfiles,
} from "../../api/management";
import { sentenceOf } from "../../api/errors";
import { deleteInstance, renameInstance } from "../../api/platform";
import { CopyList } from "../../ui/copy";
import { ConfirmDialog, FormDialog } from "../../ui/dialog";
import { count, date } from "../../ui/format";
import { useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { Page, Section } from "../../ui/page";
import { useInstance, useInstanceLoad } from "./layout";
import { PROVIDERS } from "./provider-names";

interface Figure {
  title: string;
  to: string;
  read: (tenant: string) => Promise<string>;
}

const FIGURES: Figure[] = [
  {
    title: "Applications",
    to: "applications",
    read: async (tenant) => count((await listApplications(tenant)).length),
  },
  { title: "Roles", to: "roles", read: async (tenant) => count((await listRoles(tenant)).length) },
  {
    title: "Directory users",
    to: "users/directory",
    read: async (tenant) =>
      count((await searchDirectory(tenant, "", { startIndex: 0, count: 1 })).totalResults),
  },
  {
    title: "Profiles",
    to: "users/profiles",
    read: async (tenant) =>
      count((await searchProfiles(tenant, {}, { startIndex: 0, count: 1 })).totalResults),
  },
  {
    title: "Providers switched on",
    to: "providers",
    read: async (tenant) => {
      const all = await Promise.all(PROVIDERS.map(({ name }) => getProvider(tenant, name)));
      return `${all.filter((one) => one.isActive).length} of ${all.length}`;
    },
  },
];

export default function Overview() {
  const instance = useInstance();
  const { put } = useInstanceLoad();
  const notices = useNotices();
  const navigate = useNavigate();
  const [open, setOpen] = useState<"rename" | "delete" | null>(null);
  const [name, setName] = useState(instance.name);
  const endpoints = useLoad(() => readEndpoints(instance.guid), [instance.guid]);
  return (
    <Page
      title={instance.name}
      actions={
        <>
          <Button
            kind="tertiary"
            size="md"
            onClick={() => {
              setName(instance.name);
              setOpen("rename");
            }}
          >
            Rename
          </Button>
          <Button kind="danger--tertiary" size="md" onClick={() => setOpen("delete")}>
            Delete
          </Button>
        </>
      }
    >
      <ul className="v-figures">
        {FIGURES.map((figure) => (
          <FigureTile key={figure.title} figure={figure} tenant={instance.guid} />
        ))}
      </ul>
      <Section title="Identity">
        <CopyList
          entries={[
            ["Tenant ID (GUID)", instance.guid],
            ["Cloud resource name", instance.crn],
          ]}
        />
        <dl className="v-facts">
          <div>
            <dt>Region</dt>
            <dd>{instance.region_id}</dd>
          </div>
          <div>
            <dt>Created</dt>
            <dd>{date(instance.created_at)}</dd>
          </div>
        </dl>
      </Section>
      <Section title="Endpoints" lead="What applications and scripts of this instance are configured with.">
        <CopyList entries={endpoints.data ?? endpointsAt(window.location.origin, instance.guid)} />
      </Section>
      {open === "rename" && (
        <FormDialog
          title={`Rename ${instance.name}`}
          submit="Rename"
          ready={name.trim() !== "" && name.trim() !== instance.name}
          onClose={() => setOpen(null)}
          onSubmit={async () => {
            put(await renameInstance(instance.guid, name.trim()));
            setOpen(null);
            notices.done(`The instance is now called ${name.trim()}.`);
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
      )}
      {open === "delete" && (
        <ConfirmDialog
          title={`Delete ${instance.name}?`}
          submit="Delete instance"
          typed={instance.name}
          onClose={() => setOpen(null)}
          onSubmit={async () => {
            await deleteInstance(instance.guid);
            notices.doneAndLeaving(
              `${instance.name} is deleted. It can be restored from “Deleted” for a while.`,
            );
            await navigate("/instances");
          }}
        >
          <p>
            Its applications stop working at once and nobody can sign in. It can be restored from “Deleted”
            until its retention period ends.
          </p>
        </ConfirmDialog>
      )}
    </Page>
  );
}

function FigureTile({ figure, tenant }: { figure: Figure; tenant: string }) {
  const [error, setError] = useState("");
  const load = useLoad(async () => {
    try {
      return await figure.read(tenant);
    } catch (thrown) {
      setError(sentenceOf(thrown));
      return "–";
    }
  }, [tenant]);
  return (
    <li>
      <Link to={`/instances/${tenant}/${figure.to}`}>
        <span className="v-figure">{load.data ?? "…"}</span>
        <span>{figure.title}</span>
        {error && <span className="v-small">{error}</span>}
      </Link>
    </li>
  );
}

/** The addresses as the service itself publishes them: behind a proxy they may differ from the console's own. */
async function readEndpoints(tenant: string): Promise<[string, string][]> {
  const here = window.location.origin;
  const answer = await fetch(`/oauth/v4/${encodeURIComponent(tenant)}/.well-known/openid-configuration`, {
    credentials: "omit",
  });
  const found = answer.ok ? ((await answer.json()) as { issuer?: string }) : {};
  const host = found.issuer?.endsWith(`/oauth/v4/${tenant}`)
    ? found.issuer.slice(0, -`/oauth/v4/${tenant}`.length)
    : here;
  return endpointsAt(host, tenant);
}

function endpointsAt(host: string, tenant: string): [string, string][] {
  const oauth = `${host}/oauth/v4/${tenant}`;
  return [
    ["OAuth server", oauth],
    ["Discovery", `${oauth}/.well-known/openid-configuration`],
    ["Token", `${oauth}/token`],
    ["Public keys", `${oauth}/publickeys`],
    ["Management", `${host}/management/v4/${tenant}`],
    ["Profiles", host],
  ];
}
