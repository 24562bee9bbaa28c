import { useEffect, useRef, useState } from "react";
import { Button } from "@carbon/react";
import { signIn, type SignedOutReason } from "../api/session";
import { sentenceOf } from "../api/errors";
import { Told } from "../ui/notices";
import { SecretInput } from "../ui/secret-input";

const REASONS: Record<SignedOutReason, string> = {
  "": "",
  left: "You are signed out.",
  idle: "You were signed out after 15 minutes without activity.",
  expired: "Your session has ended. Sign in again to go on.",
};

/** Asks for an API key. After it, the page whose address is open is shown. */
export function SignIn({ reason }: { reason: SignedOutReason }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Sign in – Vestibule console";
    field.current?.focus();
  }, []);
  async function send() {
    const input = field.current;
    const key = input?.value.trim();
    if (!input || !key || busy) {
      setError(busy ? "" : "Enter an API key.");
      return;
    }
    setBusy(true);
    setError("");
    try {
      await signIn(key);
    } catch (thrown) {
      setError(sentenceOf(thrown));
      setBusy(false);
      input.focus();
      input.select();
    }
  }
  return (
    <main className="v-sign-in">
      <div className="v-sign-in-box">
        <p className="v-brand v-brand--big">Vestibule</p>
        <h1>Sign in to the console</h1>
        {REASONS[reason] && !error && <Told kind="info" title="" text={REASONS[reason]} />}
        {error && <Told kind="error" title="" text={error} />}
        <form
          className="v-form"
          autoComplete="off"
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <SecretInput
            what="key"
            id="api-key"
            ref={field}
            labelText="API key"
            helperText="The first key is in the file admin-api-key of the service's data directory."
            autoComplete="off"
            size="lg"
          />
          <Button type="submit" disabled={busy}>
            {busy ? "Signing in…" : "Sign in"}
          </Button>
        </form>
        <p className="v-small">
          The console keeps no key. Reloading this page, or 15 minutes without activity, signs you out.
        </p>
      </div>
    </main>
  );
}
