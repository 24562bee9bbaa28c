import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { Button } from "@carbon/react";
import {
  deleteProfile,
  getProfile,
  removeDirectoryUser,
  type Identity,
  type Profile,
} from "../../api/management";
import { CopyBlock, CopyList } from "../../ui/copy";
import { ConfirmDialog } from "../../ui/dialog";
import { Empty, Loaded, useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { Page, Section } from "../../ui/page";
import { useInstance } from "./layout";
import { AttributesSection, UserRolesSection } from "./profile-parts";
import { providerTitle } from "./profile-words";

const FACTS: [keyof Profile, string][] = [
  ["name", "Name"],
  ["email", "E-mail"],
  ["preferred_username", "User name"],
  ["gender", "Gender"],
  ["locale", "Language"],
  ["picture", "Picture"],
];

export default function ProfilePage() {
  const { guid } = useInstance();
  const { userId = "" } = useParams();
  const navigate = useNavigate();
  const notices = useNotices();
  const [removing, setRemoving] = useState(false);
  const load = useLoad(() => getProfile(guid, userId), [guid, userId]);
  const list = `/instances/${guid}/users/profiles`;
  const title = load.data?.name || load.data?.email || "Profile";
  return (
    <Page
      title={title}
      crumbs={[{ to: list, text: "Federated and all profiles" }]}
      actions={
        load.data && (
          <Button kind="danger--tertiary" size="md" onClick={() => setRemoving(true)}>
            Delete
          </Button>
        )
      }
    >
      <Loaded load={load} what="Loading the profile">
        {(profile) => {
          const directoryId = directoryIdOf(profile);
          return (
            <>
              <Section title="Profile">
                <CopyList entries={[["Profile ID", profile.id]]} />
                <dl className="v-facts">
                  {FACTS.filter(([member]) => profile[member]).map(([member, label]) => (
                    <div key={member}>
                      <dt>{label}</dt>
                      <dd>{String(profile[member])}</dd>
                    </div>
                  ))}
                </dl>
              </Section>
              <Section title="Identities" lead="What the providers said about this user.">
                <Identities identities={profile.identities ?? []} tenant={guid} />
              </Section>
              <AttributesSection tenant={guid} profile={profile} onSaved={load.reload} />
              <UserRolesSection tenant={guid} profileId={profile.id} />
              {removing && (
                <ConfirmDialog
                  title={`Delete ${title}?`}
                  submit={directoryId ? "Delete user" : "Delete profile"}
                  onClose={() => setRemoving(false)}
                  onSubmit={async () => {
                    if (directoryId) await removeDirectoryUser(guid, directoryId);
                    else await deleteProfile(guid, profile.id);
                    notices.doneAndLeaving(`${title} is deleted.`);
                    await navigate(list);
                  }}
                >
                  <p>
                    {directoryId
                      ? "The user is deleted from the directory as well, with the password, the attributes and the roles. This cannot be undone."
                      : "The attributes and roles of this user are deleted. Someone who signs in again starts with an empty profile. This cannot be undone."}
                  </p>
                </ConfirmDialog>
              )}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function Identities({ identities, tenant }: { identities: Identity[]; tenant: string }) {
  if (identities.length === 0) {
    return (
      <Empty title="No identity yet">
        This user was entered in advance. The identity is added at the first sign-in.
      </Empty>
    );
  }
  return (
    <>
      {identities.map((identity) => (
        <div key={`${identity.provider} ${identity.id}`}>
          <h3>{providerTitle(identity.provider)}</h3>
          <CopyBlock
            label={`Identity of ${providerTitle(identity.provider)}`}
            text={JSON.stringify(identity, null, 2)}
          />
          {identity.provider === "cloud_directory" && identity.id && (
            <p>
              <Link className="cds--link" to={`/instances/${tenant}/users/directory/${identity.id}`}>
                Open the directory user
              </Link>
            </p>
          )}
        </div>
      ))}
    </>
  );
}

function directoryIdOf(profile: Profile): string | undefined {
  return profile.identities?.find((one) => one.provider === "cloud_directory")?.id;
}
