import { useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { Button, Checkbox, FormGroup, TextArea, TextInput } from "@carbon/react";
import {
  deleteApplication,
  getApplication,
  getApplicationRoles,
  getScopes,
  listRoles,
  renameApplication,
  setApplicationRoles,
  setScopes,
  type Application,
  type Role,
  type RoleRef,
} from "../../api/management";
import { BusyButton } from "../../ui/busy-button";
import { CopyBlock } from "../../ui/copy";
import { ConfirmDialog, FormDialog } from "../../ui/dialog";
import { Empty, Loaded, useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { useSaving } from "../../ui/use-saving";
import { Page, Section } from "../../ui/page";
import { TYPES } from "./applications";
import { useInstance } from "./layout";

export default function ApplicationPage() {
  const { guid } = useInstance();
  const { clientId = "" } = useParams();
  const load = useLoad(() => getApplication(guid, clientId), [guid, clientId]);
  const scopes = useLoad(() => getScopes(guid, clientId), [guid, clientId]);
  const roles = useLoad(
    () => Promise.all([listRoles(guid), getApplicationRoles(guid, clientId)]),
    [guid, clientId],
  );
  const [open, setOpen] = useState<"rename" | "delete" | null>(null);
  const list = { to: `/instances/${guid}/applications`, text: "Applications" };
  return (
    <Page
      title={load.data?.name ?? "Application"}
      lead={load.data && TYPES[load.data.type]}
      crumbs={[list]}
      actions={
        load.data && (
          <>
            <Button kind="tertiary" size="md" onClick={() => setOpen("rename")}>
              Rename
            </Button>
            <Button kind="danger--tertiary" size="md" onClick={() => setOpen("delete")}>
              Delete
            </Button>
          </>
        )
      }
    >
      <Loaded load={load} what="Loading the application">
        {(application) => (
          <>
            <Credentials application={application} scopes={scopes.data} />
            <Section
              title="Scopes"
              lead="What the application can let its users do. Roles grant them. One a line: small letters, digits, dots and underscores."
            >
              <Loaded load={scopes} what="Loading the scopes">
                {(list) => (
                  <ScopesForm tenant={guid} clientId={clientId} scopes={list} onSaved={scopes.put} />
                )}
              </Loaded>
            </Section>
            <Section
              title="Roles of the application"
              lead="What the application itself may do when it asks for a token of its own, without a user."
            >
              <Loaded load={roles} what="Loading the roles">
                {([all, own]) => <RolesForm tenant={guid} clientId={clientId} all={all} own={own} />}
              </Loaded>
            </Section>
            {open === "rename" && (
              <RenameDialog
                tenant={guid}
                application={application}
                onClose={() => setOpen(null)}
                onDone={(renamed) => {
                  load.put({ ...application, ...renamed });
                  setOpen(null);
                }}
              />
            )}
            {open === "delete" && (
              <DeleteDialog tenant={guid} application={application} onClose={() => setOpen(null)} />
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Credentials({ application, scopes }: { application: Application; scopes: string[] | undefined }) {
  const [params, setParams] = useSearchParams();
  const shown = params.has("credentials");
  const toggle = (
    <Button
      kind={shown ? "ghost" : "tertiary"}
      size="md"
      onClick={() => setParams(shown ? {} : { credentials: "" }, { replace: true })}
    >
      {shown ? "Hide credentials" : "View credentials"}
    </Button>
  );
  return (
    <Section
      title="Credentials"
      lead="What the application's code is configured with. Keep the secret out of browsers."
    >
      {shown && (
        <CopyBlock
          label="Credentials"
          text={JSON.stringify(scopes ? { ...application, scopes } : application, null, 2)}
        />
      )}
      {toggle}
    </Section>
  );
}

function ScopesForm(props: {
  tenant: string;
  clientId: string;
  scopes: string[];
  onSaved: (scopes: string[]) => void;
}) {
  const { busy, save } = useSaving();
  const [text, setText] = useState(props.scopes.join("\n"));
  async function set() {
    const wanted = [...new Set(text.split(/[\s,]+/))].filter(Boolean);
    const saved = await setScopes(props.tenant, props.clientId, wanted);
    setText(saved.join("\n"));
    props.onSaved(saved);
    return "The scopes are saved. Scopes that were taken away are gone from every role as well.";
  }
  return (
    <form
      className="v-form v-form--page"
      onSubmit={(event) => {
        event.preventDefault();
        void save(set);
      }}
    >
      <TextArea
        id="scopes"
        className="v-mono"
        labelText="Scopes"
        placeholder="None yet, for example orders.read"
        rows={4}
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <div>
        <BusyButton type="submit" kind="secondary" busy={busy}>
          {busy ? "Saving…" : "Save scopes"}
        </BusyButton>
      </div>
    </form>
  );
}

function RolesForm({
  tenant,
  clientId,
  all,
  own,
}: {
  tenant: string;
  clientId: string;
  all: Role[];
  own: RoleRef[];
}) {
  const { busy, save } = useSaving();
  const [chosen, setChosen] = useState(own.map((one) => one.id));
  if (all.length === 0) {
    return (
      <Empty
        title="The instance has no roles yet"
        action={
          <Link className="cds--btn cds--btn--tertiary" to={`/instances/${tenant}/roles/new`}>
            Create a role
          </Link>
        }
      />
    );
  }
  async function set() {
    const saved = await setApplicationRoles(tenant, clientId, chosen);
    setChosen(saved.map((one) => one.id));
    return "The application's roles are saved.";
  }
  return (
    <form
      className="v-form v-form--page"
      onSubmit={(event) => {
        event.preventDefault();
        void save(set);
      }}
    >
      <FormGroup legendText="Roles">
        {all.map((role) => (
          <Checkbox
            key={role.id}
            id={`role-${role.id}`}
            labelText={role.name}
            helperText={role.description}
            checked={chosen.includes(role.id)}
            onChange={(_, { checked }) =>
              setChosen(checked ? [...chosen, role.id] : chosen.filter((id) => id !== role.id))
            }
          />
        ))}
      </FormGroup>
      <div>
        <BusyButton type="submit" kind="secondary" busy={busy}>
          {busy ? "Saving…" : "Save roles"}
        </BusyButton>
      </div>
    </form>
  );
}

function RenameDialog(props: {
  tenant: string;
  application: Application;
  onClose: () => void;
  onDone: (renamed: Application) => void;
}) {
  const notices = useNotices();
  const [name, setName] = useState(props.application.name);
  return (
    <FormDialog
      title={`Rename ${props.application.name}`}
      submit="Rename"
      ready={name.trim() !== "" && name.trim() !== props.application.name}
      onClose={props.onClose}
      onSubmit={async () => {
        const renamed = await renameApplication(props.tenant, props.application.clientId, name.trim());
        notices.done(`The application is now called ${renamed.name}.`);
        props.onDone(renamed);
      }}
    >
      <TextInput
        id="application-name"
        data-first-field
        labelText="Name"
        autoComplete="off"
        maxLength={50}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
    </FormDialog>
  );
}

function DeleteDialog(props: { tenant: string; application: Application; onClose: () => void }) {
  const navigate = useNavigate();
  const notices = useNotices();
  return (
    <ConfirmDialog
      title={`Delete ${props.application.name}?`}
      submit="Delete application"
      onClose={props.onClose}
      onSubmit={async () => {
        await deleteApplication(props.tenant, props.application.clientId);
        notices.doneAndLeaving(`${props.application.name} is deleted.`);
        await navigate(`/instances/${props.tenant}/applications`);
      }}
    >
      <p>
        Its credentials stop working at once, and its scopes disappear from all roles. This cannot be undone.
      </p>
    </ConfirmDialog>
  );
}
