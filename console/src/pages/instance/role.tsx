import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { Checkbox, FormGroup, TextArea, TextInput } from "@carbon/react";
import {
  createRole,
  getRole,
  getScopes,
  listApplications,
  updateRole,
  type Application,
  type Role,
  type RoleAccess,
} from "../../api/management";
import { BusyButton } from "../../ui/busy-button";
import { Loaded, useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { Page } from "../../ui/page";
import { useInstance } from "./layout";

interface Offer {
  application: Application;
  scopes: string[];
}

/** Creates a role (`…/roles/new`) or edits one. */
export default function RolePage() {
  const { guid } = useInstance();
  const { roleId = "" } = useParams();
  const isNew = roleId === "new";
  const load = useLoad(
    () => Promise.all([isNew ? Promise.resolve(null) : getRole(guid, roleId), readOffers(guid)]),
    [guid, roleId],
  );
  return (
    <Page
      title={isNew ? "Create role" : (load.data?.[0]?.name ?? "Role")}
      crumbs={[{ to: `/instances/${guid}/roles`, text: "Roles" }]}
    >
      <Loaded load={load} what="Loading the role">
        {([role, offers]) => <RoleForm key={roleId} tenant={guid} role={role} offers={offers} />}
      </Loaded>
    </Page>
  );
}

function RoleForm({ tenant, role, offers }: { tenant: string; role: Role | null; offers: Offer[] }) {
  const navigate = useNavigate();
  const notices = useNotices();
  const [name, setName] = useState(role?.name ?? "");
  const [description, setDescription] = useState(role?.description ?? "");
  const [access, setAccess] = useState<RoleAccess[]>(role?.access ?? []);
  const [busy, setBusy] = useState(false);
  const scopesOf = (id: string) => access.find((one) => one.application_id === id)?.scopes ?? [];
  function grant(id: string, scope: string, wanted: boolean) {
    const scopes = scopesOf(id).filter((one) => one !== scope);
    if (wanted) scopes.push(scope);
    const others = access.filter((one) => one.application_id !== id);
    setAccess(scopes.length > 0 ? [...others, { application_id: id, scopes }] : others);
  }
  async function save() {
    setBusy(true);
    notices.clear();
    const draft = { name: name.trim(), description: description.trim(), access };
    try {
      if (role) await updateRole(tenant, role.id, draft);
      else await createRole(tenant, draft);
      notices.doneAndLeaving(`The role ${draft.name} is ${role ? "saved" : "created"}.`);
      await navigate(`/instances/${tenant}/roles`);
    } catch (error) {
      notices.failed(error);
      setBusy(false);
    }
  }
  const granting = offers.filter((one) => one.scopes.length > 0);
  return (
    <form
      className="v-form v-form--page"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <TextInput
        id="role-name"
        labelText="Name"
        autoComplete="off"
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <TextArea
        id="role-description"
        labelText="Description (optional)"
        rows={2}
        value={description}
        onChange={(event) => setDescription(event.target.value)}
      />
      {granting.map(({ application, scopes }) => (
        <FormGroup key={application.clientId} legendText={`Scopes of ${application.name}`}>
          {scopes.map((scope) => (
            <Checkbox
              key={scope}
              id={`${application.clientId}-${scope}`}
              labelText={scope}
              checked={scopesOf(application.clientId).includes(scope)}
              onChange={(_, { checked }) => grant(application.clientId, scope, checked)}
            />
          ))}
        </FormGroup>
      ))}
      {granting.length === 0 && (
        <p>
          No application has scopes to grant yet.{" "}
          <Link className="cds--link" to={`/instances/${tenant}/applications`}>
            Add scopes to an application
          </Link>
          {" and come back, or save the role without any."}
        </p>
      )}
      <div className="v-actions">
        <BusyButton type="submit" busy={busy} disabled={name.trim() === ""}>
          {busy ? "Saving…" : role ? "Save role" : "Create role"}
        </BusyButton>
        <Link className="cds--btn cds--btn--ghost" to={`/instances/${tenant}/roles`}>
          Cancel
        </Link>
      </div>
    </form>
  );
}

async function readOffers(tenant: string): Promise<Offer[]> {
  const waiting = await listApplications(tenant);
  const offers: Offer[] = [];
  // An instance may have 200 applications: six at a time.
  while (waiting.length > 0) {
    const batch = waiting.splice(0, 6);
    offers.push(
      ...(await Promise.all(
        batch.map(async (application) => ({
          application,
          scopes: await getScopes(tenant, application.clientId),
        })),
      )),
    );
  }
  return offers;
}
