import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { Button, Search, Select, SelectItem, Tag, TextInput } from "@carbon/react";
import { Add } from "@carbon/icons-react";
import { createDirectoryUser, searchDirectory, type DirectoryUser } from "../../api/management";
import { FormDialog } from "../../ui/dialog";
import { date } from "../../ui/format";
import { Listing } from "../../ui/listing";
import { Empty, Loaded, useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { SecretInput } from "../../ui/secret-input";
import { Page } from "../../ui/page";
import { Pager } from "../../ui/pager";
import { useInstance } from "./layout";
import { UserTabs } from "./user-tabs";

const SIZE = 50;

export default function DirectoryUsers() {
  const { guid } = useInstance();
  const [params, setParams] = useSearchParams();
  const query = params.get("query") ?? "";
  const start = Math.max(0, Number(params.get("start")) || 0);
  const [typed, setTyped] = useState(query);
  const [creating, setCreating] = useState(false);
  const load = useLoad(
    () => searchDirectory(guid, query, { startIndex: start, count: SIZE }),
    [guid, query, start],
  );
  const here = `/instances/${guid}/users/directory`;
  const create = (
    <Button renderIcon={Add} onClick={() => setCreating(true)}>
      Create user
    </Button>
  );
  function search(text: string) {
    setTyped(text);
    setParams(text.trim() ? { query: text.trim() } : {});
  }
  return (
    <Page
      title="Users"
      actions={
        <>
          <Link className="cds--btn cds--btn--ghost" to={`${here}/export`}>
            Export
          </Link>
          <Link className="cds--btn cds--btn--ghost" to={`${here}/import`}>
            Import
          </Link>
          {create}
        </>
      }
    >
      <UserTabs tenant={guid} />
      <form
        className="v-search"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          search(typed);
        }}
      >
        <Search
          labelText="Search directory users"
          placeholder="Whole e-mail address or user name"
          size="lg"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onClear={() => search("")}
          closeButtonLabelText="Clear the search"
        />
        <Button type="submit" kind="secondary">
          Search
        </Button>
      </form>
      <Loaded load={load} what="Loading the users">
        {(page) => {
          if (page.Resources.length === 0 && query) {
            return (
              <Empty
                title={`Nobody is found for “${query}”`}
                action={
                  <Button kind="tertiary" onClick={() => search("")}>
                    See all users
                  </Button>
                }
              >
                The search finds whole e-mail addresses and user names, not parts of them.
              </Empty>
            );
          }
          if (page.Resources.length === 0 && start === 0) {
            return (
              <Empty
                title="The directory is empty"
                action={
                  <>
                    {create}
                    <Link className="cds--btn cds--btn--tertiary" to={`${here}/import`}>
                      Import users
                    </Link>
                  </>
                }
              >
                Create a user, or import the users of another instance.
              </Empty>
            );
          }
          return (
            <>
              <Listing
                label="Directory users"
                rows={page.Resources}
                rowKey={(one) => one.id}
                columns={[
                  {
                    title: "Name",
                    cell: (one) => (
                      <Link className="cds--link" to={`${here}/${one.id}`}>
                        {nameOf(one)}
                      </Link>
                    ),
                  },
                  { title: "E-mail", cell: (one) => emailOf(one) || "–" },
                  { title: "State", cell: (one) => <StateTags user={one} /> },
                  { title: "Created", cell: (one) => date(one.meta?.created) },
                ]}
              />
              <Pager
                start={start}
                size={SIZE}
                shown={page.Resources.length}
                total={page.totalResults}
                onMove={(to) =>
                  setParams({ ...(query ? { query } : {}), ...(to ? { start: String(to) } : {}) })
                }
              />
            </>
          );
        }}
      </Loaded>
      {creating && <CreateDialog tenant={guid} onClose={() => setCreating(false)} />}
    </Page>
  );
}

export function nameOf(user: DirectoryUser): string {
  const parts = [user.name?.givenName, user.name?.familyName].filter(Boolean).join(" ");
  return user.displayName || user.name?.formatted || parts || user.userName || emailOf(user) || user.id;
}

export function emailOf(user: DirectoryUser): string {
  const emails = user.emails ?? [];
  return (emails.find((one) => one.primary) ?? emails[0])?.value ?? "";
}

export function StateTags({ user }: { user: DirectoryUser }) {
  const locked = (user.lockedUntil ?? 0) > Date.now();
  return (
    <>
      {!user.active && (
        <Tag type="red" size="sm">
          Disabled
        </Tag>
      )}
      {locked && (
        <Tag type="magenta" size="sm">
          Locked
        </Tag>
      )}
      <Tag type={user.status === "CONFIRMED" ? "green" : "gray"} size="sm">
        {user.status === "CONFIRMED" ? "Confirmed" : "Not confirmed"}
      </Tag>
    </>
  );
}

function CreateDialog({ tenant, onClose }: { tenant: string; onClose: () => void }) {
  const navigate = useNavigate();
  const notices = useNotices();
  const [draft, setDraft] = useState({
    email: "",
    userName: "",
    givenName: "",
    familyName: "",
    password: "",
    status: "CONFIRMED",
  });
  const field = (member: keyof typeof draft) => ({
    id: `user-${member}`,
    value: draft[member],
    onChange: (event: { target: { value: string } }) => setDraft({ ...draft, [member]: event.target.value }),
  });
  return (
    <FormDialog
      title="Create user"
      submit="Create"
      ready={draft.email.trim() !== "" && draft.password !== ""}
      onClose={onClose}
      onSubmit={async () => {
        const made = await createDirectoryUser(tenant, scimOf(draft));
        notices.doneAndLeaving(`${emailOf(made) || "The user"} is created.`);
        await navigate(`/instances/${tenant}/users/directory/${made.id}`);
      }}
    >
      <TextInput
        {...field("email")}
        data-first-field
        type="email"
        labelText="E-mail address"
        autoComplete="off"
      />
      <TextInput
        {...field("userName")}
        labelText="User name (optional)"
        helperText="Needed only where people sign in with a user name."
        autoComplete="off"
        spellCheck={false}
      />
      <TextInput {...field("givenName")} labelText="First name (optional)" autoComplete="off" />
      <TextInput {...field("familyName")} labelText="Last name (optional)" autoComplete="off" />
      <SecretInput what="password" {...field("password")} labelText="Password" autoComplete="new-password" />
      <Select {...field("status")} labelText="State of the address">
        <SelectItem value="CONFIRMED" text="Confirmed" />
        <SelectItem value="PENDING" text="Not confirmed yet" />
      </Select>
    </FormDialog>
  );
}

function scimOf(
  draft: Record<"email" | "userName" | "givenName" | "familyName" | "password" | "status", string>,
) {
  const givenName = draft.givenName.trim();
  const familyName = draft.familyName.trim();
  const formatted = [givenName, familyName].filter(Boolean).join(" ");
  return {
    active: true,
    status: draft.status,
    password: draft.password,
    emails: [{ value: draft.email.trim(), primary: true }],
    ...(draft.userName.trim() && { userName: draft.userName.trim() }),
    ...(formatted && { displayName: formatted, name: { givenName, familyName, formatted } }),
  };
}
