import { useState } from "react";
import { Checkbox, TextArea } from "@carbon/react";
import {
  getRedirectUris,
  getSso,
  getTokens,
  setRedirectUris,
  setTokens,
  type TokensConfig,
} from "../../api/management";
import { BusyButton } from "../../ui/busy-button";
import { Loaded, useLoad } from "../../ui/load";
import { linesOf } from "../../ui/format";
import { Page, Section } from "../../ui/page";
import { useSaving } from "../../ui/use-saving";
import { useInstance } from "./layout";
import { LifetimeSelect } from "./lifetime-select";
import { SsoForm } from "./sso-form";

export default function Settings() {
  const { guid } = useInstance();
  const tokens = useLoad(() => getTokens(guid), [guid]);
  const uris = useLoad(() => getRedirectUris(guid), [guid]);
  const sso = useLoad(() => getSso(guid), [guid]);
  return (
    <Page title="Settings">
      <Section
        title="Token lifetimes"
        lead="How long a sign-in lasts before an application has to ask again."
      >
        <Loaded load={tokens} what="Loading the token settings">
          {(config) => <TokensForm tenant={guid} config={config} />}
        </Loaded>
      </Section>
      <Section
        title="Single sign-on"
        lead="Who signed in once is not asked again in the same browser, by any application of this instance."
      >
        <Loaded load={sso} what="Loading single sign-on">
          {(config) => <SsoForm tenant={guid} config={config} />}
        </Loaded>
      </Section>
      <Section
        title="Redirect URIs"
        lead="Where sign-in may return to. One a line, http or https. A * at the very end stands for any rest of the path."
      >
        <Loaded load={uris} what="Loading the redirect URIs">
          {(list) => <RedirectForm tenant={guid} uris={list} />}
        </Loaded>
      </Section>
    </Page>
  );
}

const ACCESS_CHOICES = [300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400];
const LONG_CHOICES = [1, 2, 7, 14, 30, 60, 90].map((days) => days * 86400);

function TokensForm({ tenant, config }: { tenant: string; config: TokensConfig }) {
  const { busy, save } = useSaving();
  const [draft, setDraft] = useState(config);
  async function set() {
    setDraft(await setTokens(tenant, draft));
    return "The token lifetimes are saved. They hold for tokens issued from now on.";
  }
  return (
    <form
      className="v-form v-form--page"
      onSubmit={(event) => {
        event.preventDefault();
        void save(set);
      }}
    >
      <LifetimeSelect
        id="access-lifetime"
        label="Access and identity tokens"
        choices={ACCESS_CHOICES}
        value={draft.access?.expires_in ?? 3600}
        onChange={(expires_in) => setDraft({ ...draft, access: { expires_in } })}
      />
      <Checkbox
        id="refresh-on"
        labelText="Issue refresh tokens"
        checked={draft.refresh?.enabled ?? false}
        onChange={(_, { checked }) => setDraft({ ...draft, refresh: { ...draft.refresh, enabled: checked } })}
      />
      {draft.refresh?.enabled && (
        <LifetimeSelect
          id="refresh-lifetime"
          label="Refresh tokens"
          choices={LONG_CHOICES}
          value={draft.refresh.expires_in ?? 2592000}
          onChange={(expires_in) => setDraft({ ...draft, refresh: { ...draft.refresh, expires_in } })}
        />
      )}
      <Checkbox
        id="anonymous-on"
        labelText="Allow anonymous sign-in"
        checked={draft.anonymousAccess?.enabled ?? true}
        onChange={(_, { checked }) =>
          setDraft({ ...draft, anonymousAccess: { ...draft.anonymousAccess, enabled: checked } })
        }
      />
      {(draft.anonymousAccess?.enabled ?? true) && (
        <LifetimeSelect
          id="anonymous-lifetime"
          label="Anonymous tokens"
          choices={LONG_CHOICES}
          value={draft.anonymousAccess?.expires_in ?? 2592000}
          onChange={(expires_in) =>
            setDraft({ ...draft, anonymousAccess: { ...draft.anonymousAccess, expires_in } })
          }
        />
      )}
      <div>
        <BusyButton type="submit" busy={busy}>
          {busy ? "Saving…" : "Save lifetimes"}
        </BusyButton>
      </div>
    </form>
  );
}

function RedirectForm({ tenant, uris }: { tenant: string; uris: string[] }) {
  const { busy, save } = useSaving();
  const [text, setText] = useState(uris.join("\n"));
  async function set() {
    const list = linesOf(text);
    await setRedirectUris(tenant, list);
    setText(list.join("\n"));
    return list.length === 0 ? "All redirect URIs are removed." : "The redirect URIs are saved.";
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
        id="redirect-uris"
        className="v-mono"
        labelText="Redirect URIs"
        helperText={
          text.trim() === "" ? "None yet: sign-in through a browser needs at least one." : undefined
        }
        placeholder="https://app.example.com/callback"
        rows={5}
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <div>
        <BusyButton type="submit" busy={busy}>
          {busy ? "Saving…" : "Save redirect URIs"}
        </BusyButton>
      </div>
    </form>
  );
}
