import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Button, Search, Select, SelectItem } from "@carbon/react";
import { searchProfiles, type Profile } from "../../api/management";
import { Listing } from "../../ui/listing";
import { Empty, Loaded, useLoad } from "../../ui/load";
import { Page } from "../../ui/page";
import { Pager } from "../../ui/pager";
import { useInstance } from "./layout";
import { providerTitle } from "./profile-words";
import { UserTabs } from "./user-tabs";

const SIZE = 50;

export default function Profiles() {
  const { guid } = useInstance();
  const [params, setParams] = useSearchParams();
  const by = params.get("by") === "id" ? "id" : "email";
  const text = params.get("text") ?? "";
  const start = Math.max(0, Number(params.get("start")) || 0);
  const [typed, setTyped] = useState(text);
  const [typedBy, setTypedBy] = useState<"email" | "id">(by);
  const load = useLoad(
    () => searchProfiles(guid, text ? { [by]: text } : {}, { startIndex: start, count: SIZE }),
    [guid, by, text, start],
  );
  const here = `/instances/${guid}/users/profiles`;
  function search(value: string) {
    setTyped(value);
    setParams(value.trim() ? { by: typedBy, text: value.trim() } : {});
  }
  return (
    <Page
      title="Users"
      lead="Everyone who is known: people of SAML, Facebook, Google and custom providers, and directory users after their first sign-in. Anonymous users are not listed."
      actions={
        <>
          <Link className="cds--btn cds--btn--ghost" to={`${here}/export`}>
            Export
          </Link>
          <Link className="cds--btn cds--btn--ghost" to={`${here}/import`}>
            Import
          </Link>
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
        <Select
          id="search-by"
          labelText="Search by"
          hideLabel
          size="lg"
          value={typedBy}
          onChange={(event) => setTypedBy(event.target.value === "id" ? "id" : "email")}
        >
          <SelectItem value="email" text="E-mail address" />
          <SelectItem value="id" text="ID at the provider" />
        </Select>
        <Search
          labelText="Search profiles"
          placeholder={typedBy === "id" ? "Whole ID" : "Whole e-mail address"}
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
      <Loaded load={load} what="Loading the profiles">
        {(page) => {
          if (page.users.length === 0 && text) {
            return (
              <Empty
                title={`Nobody is found for “${text}”`}
                action={
                  <Button kind="tertiary" onClick={() => search("")}>
                    See all profiles
                  </Button>
                }
              >
                The search finds whole e-mail addresses and IDs, not parts of them.
              </Empty>
            );
          }
          if (page.users.length === 0 && start === 0) {
            return (
              <Empty
                title="Nobody is known yet"
                action={
                  <Link className="cds--btn cds--btn--primary" to={`${here}/import`}>
                    Import profiles
                  </Link>
                }
              >
                A profile comes into being when someone signs in. Profiles of another instance can be
                imported.
              </Empty>
            );
          }
          return (
            <>
              <Listing
                label="Profiles"
                rows={page.users}
                rowKey={(one) => one.id}
                columns={[
                  {
                    title: "Name",
                    cell: (one) => (
                      <Link className="cds--link" to={`${here}/${one.id}`}>
                        {titleOf(one)}
                      </Link>
                    ),
                  },
                  { title: "E-mail", cell: (one) => one.email || "–" },
                  { title: "Provider", cell: (one) => providersOf(one) },
                  { title: "Profile ID", cell: (one) => <code>{one.id}</code> },
                ]}
              />
              <Pager
                start={start}
                size={SIZE}
                shown={page.users.length}
                total={page.totalResults}
                onMove={(to) =>
                  setParams({ ...(text ? { by, text } : {}), ...(to ? { start: String(to) } : {}) })
                }
              />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function titleOf(profile: Profile): string {
  return profile.name || profile.preferred_username || profile.email || "Not signed in yet";
}

function providersOf(profile: Profile): string {
  const names = (profile.identities ?? []).map((one) => one.provider);
  if (names.length === 0 && profile.idp) names.push(profile.idp);
  return [...new Set(names)].map(providerTitle).join(", ") || "–";
}
