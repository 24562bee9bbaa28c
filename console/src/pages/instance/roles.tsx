import { useState } from "react";
import { Link } from "react-router";
import { Button } from "@carbon/react";
import { deleteRole, listApplications, listRoles, type Application, type Role } from "../../api/management";
import { ConfirmDialog } from "../../ui/dialog";
import { Listing } from "../../ui/listing";
import { Empty, Loaded, useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { Page } from "../../ui/page";
import { useInstance } from "./layout";

export default function Roles() {
  const { guid } = useInstance();
  const load = useLoad(() => Promise.all([listRoles(guid), listApplications(guid)]), [guid]);
  const notices = useNotices();
  const [deleting, setDeleting] = useState<Role | null>(null);
  const create = (
    <Link className="cds--btn cds--btn--primary" to={`/instances/${guid}/roles/new`}>
      Create role
    </Link>
  );
  return (
    <Page
      title="Roles"
      lead="A role grants scopes of applications to the users and applications that have it."
      actions={load.data && load.data[0].length > 0 && create}
    >
      <Loaded load={load} what="Loading the roles">
        {([roles, applications]) =>
          roles.length === 0 ? (
            <Empty title="There is no role yet" action={create}>
              Create one to let users do different things in your applications.
            </Empty>
          ) : (
            <Listing
              label="Roles"
              rows={roles}
              rowKey={(one) => one.id}
              columns={[
                {
                  title: "Name",
                  cell: (one) => (
                    <Link className="cds--link" to={`/instances/${guid}/roles/${one.id}`}>
                      {one.name}
                    </Link>
                  ),
                },
                { title: "Description", cell: (one) => one.description || "–" },
                { title: "Grants", cell: (one) => grants(one, applications) },
                {
                  title: "Actions",
                  actions: true,
                  cell: (one) => (
                    <Button
                      kind="danger--ghost"
                      size="sm"
                      aria-label={`Delete ${one.name}`}
                      onClick={() => setDeleting(one)}
                    >
                      Delete
                    </Button>
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
      {deleting && (
        <ConfirmDialog
          title={`Delete the role ${deleting.name}?`}
          submit="Delete role"
          onClose={() => setDeleting(null)}
          onSubmit={async () => {
            await deleteRole(guid, deleting.id);
            setDeleting(null);
            notices.done(`The role ${deleting.name} is deleted.`);
            load.reload();
          }}
        >
          <p>Users and applications that have the role lose it. This cannot be undone.</p>
        </ConfirmDialog>
      )}
    </Page>
  );
}

function grants(role: Role, applications: Application[]): string {
  const parts = (role.access ?? [])
    .filter((access) => access.scopes.length > 0)
    .map((access) => {
      const name = applications.find((one) => one.clientId === access.application_id)?.name;
      return `${name ?? access.application_id}: ${access.scopes.join(", ")}`;
    });
  return parts.join("; ") || "Nothing yet";
}
