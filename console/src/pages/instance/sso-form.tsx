import { useState } from "react";
import { Checkbox, TextArea } from "@carbon/react";
import { setSso, type SsoConfig } from "../../api/management";
import { BusyButton } from "../../ui/busy-button";
import { linesOf } from "../../ui/format";
import { useSaving } from "../../ui/use-saving";
import { LifetimeSelect } from "./lifetime-select";

const IDLE_CHOICES = [900, 3600, 14400, 28800, 86400, 3 * 86400, 604800];

/** Whether browsers stay signed in, for how long, and where signing out may return to. */
export function SsoForm({ tenant, config }: { tenant: string; config: SsoConfig }) {
  const { busy, save } = useSaving();
  const [draft, setDraft] = useState(config);
  const [uris, setUris] = useState(config.logoutRedirectUris.join("\n"));
  async function set() {
    const saved = await setSso(tenant, { ...draft, logoutRedirectUris: linesOf(uris) });
    setDraft(saved);
    setUris(saved.logoutRedirectUris.join("\n"));
    return saved.isActive ? "Single sign-on is on." : "Single sign-on is off: people sign in each time.";
  }
  return (
    <form
      className="v-form v-form--page"
      onSubmit={(event) => {
        event.preventDefault();
        void save(set);
      }}
    >
      <Checkbox
        id="sso-on"
        labelText="Keep people signed in"
        checked={draft.isActive}
        onChange={(_, { checked }) => setDraft({ ...draft, isActive: checked })}
      />
      {draft.isActive && (
        <>
          <LifetimeSelect
            id="sso-idle"
            label="Until nothing was signed in to for"
            choices={IDLE_CHOICES}
            value={draft.inactivityTimeoutSeconds}
            onChange={(inactivityTimeoutSeconds) => setDraft({ ...draft, inactivityTimeoutSeconds })}
          />
          <TextArea
            id="sso-out"
            className="v-mono"
            labelText="Where signing out may return to"
            helperText="One a line, by the rules of redirect URIs."
            placeholder="https://app.example.com/signed-out"
            rows={3}
            spellCheck={false}
            value={uris}
            onChange={(event) => setUris(event.target.value)}
          />
        </>
      )}
      <div>
        <BusyButton type="submit" busy={busy}>
          {busy ? "Saving…" : "Save single sign-on"}
        </BusyButton>
      </div>
    </form>
  );
}
