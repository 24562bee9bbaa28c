import { useState } from "react";
import { Button, Checkbox, TextArea } from "@carbon/react";
import { setSso, type SsoConfig } from "../../api/management";
import { useNotices } from "../../ui/notices";
import { LifetimeSelect } from "./lifetime-select";

const IDLE_CHOICES = [900, 3600, 14400, 28800, 86400, 3 * 86400, 604800];

/** Whether browsers stay signed in, for how long, and where signing out may return to. */
export function SsoForm({ tenant, config }: { tenant: string; config: SsoConfig }) {
  const notices = useNotices();
  const [draft, setDraft] = useState(config);
  const [uris, setUris] = useState(config.logoutRedirectUris.join("\n"));
  const [busy, setBusy] = useState(false);
  async function save() {
    setBusy(true);
    notices.clear();
    const logoutRedirectUris = [...new Set(uris.split("\n").map((line) => line.trim()))].filter(Boolean);
    try {
      const saved = await setSso(tenant, { ...draft, logoutRedirectUris });
      setDraft(saved);
      setUris(saved.logoutRedirectUris.join("\n"));
      notices.done(
        saved.isActive ? "Single sign-on is on." : "Single sign-on is off: people sign in each time.",
      );
    } catch (error) {
      notices.failed(error);
    } finally {
      setBusy(false);
    }
  }
  return (
    <form
      className="v-form v-form--page"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
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
        <Button type="submit" disabled={busy}>
          {busy ? "Saving…" : "Save single sign-on"}
        </Button>
      </div>
    </form>
  );
}
