import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { Button, Checkbox, Select, SelectItem, TextInput } from "@carbon/react";
import {
  getDirectoryUser,
  getDirectoryUserInfo,
  getProfile,
  prepareProfile,
  removeDirectoryUser,
  updateDirectoryUser,
  type DirectoryUser,
} from "../../api/management";
import { ApiError } from "../../api/errors";
import { BusyButton } from "../../ui/busy-button";
import { CopyList } from "../../ui/copy";
import { ConfirmDialog } from "../../ui/dialog";
import { date } from "../../ui/format";
import { Empty, Loaded, useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { focusHeading, Page, Section } from "../../ui/page";
import { useSaving } from "../../ui/use-saving";
import { emailOf, nameOf, StateTags } from "./directory-users";
import { useInstance } from "./layout";
import { AttributesSection, UserRolesSection } from "./profile-parts";

export default function DirectoryUserPage() {
  const { guid } = useInstance();
  const { userId = "" } = useParams();
  const navigate = useNavigate();
  const notices = useNotices();
  const [removing, setRemoving] = useState(false);
  const load = useLoad(() => getDirectoryUser(guid, userId), [guid, userId]);
  const profile = useLoad(() => readProfile(guid, userId), [guid, userId]);
  const list = `/instances/${guid}/users/directory`;
  return (
    <Page
      title={load.data ? nameOf(load.data) : "User"}
      crumbs={[{ to: list, text: "Directory users" }]}
      actions={
        load.data && (
          <Button kind="danger--tertiary" size="md" onClick={() => setRemoving(true)}>
            Delete
          </Button>
        )
      }
    >
      <Loaded load={load} what="Loading the user">
        {(user) => (
          <>
            <Facts user={user} profileId={profile.data?.id} />
            <Section title="Details">
              <DetailsForm tenant={guid} user={user} onSaved={load.put} />
            </Section>
            <Loaded load={profile} what="Loading the profile">
              {(known) =>
                known ? (
                  <>
                    <AttributesSection tenant={guid} profile={known} onSaved={profile.reload} />
                    <UserRolesSection tenant={guid} profileId={known.id} />
                  </>
                ) : (
                  <NoProfile tenant={guid} userId={userId} onMade={profile.reload} />
                )
              }
            </Loaded>
            {removing && (
              <ConfirmDialog
                title={`Delete ${nameOf(user)}?`}
                submit="Delete user"
                onClose={() => setRemoving(false)}
                onSubmit={async () => {
                  await removeDirectoryUser(guid, userId);
                  notices.doneAndLeaving(`${nameOf(user)} is deleted.`);
                  await navigate(list);
                }}
              >
                <p>
                  {emailOf(user)} is deleted with password, profile, attributes and roles, and can no longer
                  sign in. This cannot be undone.
                </p>
              </ConfirmDialog>
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function NoProfile(props: { tenant: string; userId: string; onMade: () => void }) {
  const notices = useNotices();
  const [busy, setBusy] = useState(false);
  async function prepare() {
    setBusy(true);
    notices.clear();
    try {
      await prepareProfile(props.tenant, props.userId);
      props.onMade();
      focusHeading();
    } catch (error) {
      notices.failed(error);
      setBusy(false);
    }
  }
  return (
    <Section title="Attributes and roles">
      <Empty
        title="This user has no profile yet"
        action={
          <BusyButton kind="tertiary" busy={busy} onClick={() => void prepare()}>
            Prepare the profile
          </BusyButton>
        }
      >
        It comes into being at the first sign-in. To give attributes and roles before that, prepare it now.
      </Empty>
    </Section>
  );
}

function Facts({ user, profileId }: { user: DirectoryUser; profileId: string | undefined }) {
  const ids: [string, string][] = [["Directory ID", user.id]];
  if (profileId) ids.push(["Profile ID", profileId]);
  return (
    <Section title="Identity">
      <CopyList entries={ids} />
      <dl className="v-facts">
        <div>
          <dt>E-mail</dt>
          <dd>{user.emails.map((one) => one.value).join(", ") || "–"}</dd>
        </div>
        <div>
          <dt>State</dt>
          <dd>
            <StateTags user={user} />
          </dd>
        </div>
        {user.lockedUntil !== undefined && user.lockedUntil > Date.now() && (
          <div>
            <dt>Locked until</dt>
            <dd>{date(user.lockedUntil)}</dd>
          </div>
        )}
        <div>
          <dt>Created</dt>
          <dd>{date(user.meta?.created)}</dd>
        </div>
        <div>
          <dt>Changed</dt>
          <dd>{date(user.meta?.lastModified)}</dd>
        </div>
        {(user.phoneNumbers ?? []).length > 0 && (
          <div>
            <dt>Telephone</dt>
            <dd>{user.phoneNumbers?.map((one) => one.value).join(", ")}</dd>
          </div>
        )}
      </dl>
    </Section>
  );
}

function DetailsForm(props: { tenant: string; user: DirectoryUser; onSaved: (user: DirectoryUser) => void }) {
  const { tenant, user, onSaved } = props;
  const { busy, save } = useSaving();
  const [draft, setDraft] = useState({
    displayName: user.displayName ?? "",
    givenName: user.name?.givenName ?? "",
    familyName: user.name?.familyName ?? "",
    userName: user.userName ?? "",
    status: user.status,
    active: user.active,
  });
  async function set() {
    onSaved(await updateDirectoryUser(tenant, user.id, changed(user, draft)));
    return "The user is saved.";
  }
  const text = (member: "displayName" | "givenName" | "familyName" | "userName") => ({
    id: `detail-${member}`,
    value: draft[member],
    autoComplete: "off",
    onChange: (event: { target: { value: string } }) => setDraft({ ...draft, [member]: event.target.value }),
  });
  return (
    <form
      className="v-form v-form--page"
      onSubmit={(event) => {
        event.preventDefault();
        void save(set);
      }}
    >
      <TextInput {...text("displayName")} labelText="Display name" />
      <TextInput {...text("givenName")} labelText="First name" />
      <TextInput {...text("familyName")} labelText="Last name" />
      <TextInput {...text("userName")} labelText="User name" spellCheck={false} />
      <Select
        id="detail-status"
        labelText="State of the address"
        value={draft.status}
        onChange={(event) => setDraft({ ...draft, status: event.target.value as DirectoryUser["status"] })}
      >
        <SelectItem value="CONFIRMED" text="Confirmed" />
        <SelectItem value="PENDING" text="Not confirmed yet" />
      </Select>
      <Checkbox
        id="detail-active"
        labelText="May sign in"
        helperText="Saving with this ticked also lifts a lock after too many wrong passwords."
        checked={draft.active}
        onChange={(_, { checked }) => setDraft({ ...draft, active: checked })}
      />
      <div>
        <BusyButton type="submit" kind="secondary" busy={busy}>
          {busy ? "Saving…" : "Save details"}
        </BusyButton>
      </div>
    </form>
  );
}

/** The whole user with the changes: what the form does not show travels back as it came. */
function changed(
  user: DirectoryUser,
  draft: {
    displayName: string;
    givenName: string;
    familyName: string;
    userName: string;
    status: DirectoryUser["status"];
    active: boolean;
  },
): Record<string, unknown> {
  const { id: _id, meta: _meta, schemas: _schemas, lockedUntil: _locked, ...rest } = user;
  const formatted = [draft.givenName, draft.familyName].filter(Boolean).join(" ");
  const next: Record<string, unknown> = {
    ...rest,
    active: draft.active,
    status: draft.status,
    displayName: draft.displayName.trim(),
    name: { ...user.name, givenName: draft.givenName.trim(), familyName: draft.familyName.trim(), formatted },
    userName: draft.userName.trim(),
  };
  if (!draft.userName.trim()) delete next.userName;
  if (!draft.displayName.trim()) delete next.displayName;
  if (!formatted) delete next.name;
  return next;
}

async function readProfile(tenant: string, userId: string) {
  try {
    const { sub } = await getDirectoryUserInfo(tenant, userId);
    return await getProfile(tenant, sub);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}
