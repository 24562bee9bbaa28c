import { useEffect, useRef, useState, type ReactNode } from "react";
import { Modal, TextInput } from "@carbon/react";
import { sentenceOf } from "../api/errors";
import { Told } from "./notices";

/** A dialog with a form: says what went wrong and stays open until it worked or is closed. Mount it to open it. */
export function FormDialog(props: {
  title: string;
  submit: string;
  /** What the button that closes it says, "Cancel" unless told. */
  dismiss?: string;
  danger?: boolean;
  /** Whether what is entered can be sent. */
  ready: boolean;
  onSubmit: () => Promise<void>;
  onClose: () => void;
  children: ReactNode;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  useReturnedFocus();
  async function send() {
    if (busy || !props.ready) return;
    setBusy(true);
    setError("");
    try {
      await props.onSubmit();
    } catch (thrown) {
      setError(sentenceOf(thrown));
      setBusy(false);
    }
  }
  return (
    <Modal
      open
      size="sm"
      danger={props.danger}
      modalHeading={props.title}
      primaryButtonText={busy ? "Working…" : props.submit}
      // A disabled button would lose the focus, so it stays one while the work is under way, and `send` does nothing.
      primaryButtonDisabled={!props.ready}
      secondaryButtonText={props.dismiss ?? "Cancel"}
      closeButtonLabel="Close"
      onRequestSubmit={() => void send()}
      onRequestClose={props.onClose}
      selectorPrimaryFocus="[data-first-field]"
    >
      <form
        className="v-form"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        {error && <Told kind="error" text={error} />}
        {props.children}
        <button type="submit" hidden disabled={!props.ready} />
      </form>
    </Modal>
  );
}

/** Asks before something is destroyed. With `typed`, that text has to be typed first. */
export function ConfirmDialog(props: {
  title: string;
  submit: string;
  dismiss?: string;
  typed?: string;
  onSubmit: () => Promise<void>;
  onClose: () => void;
  children: ReactNode;
}) {
  const [typed, setTyped] = useState("");
  return (
    <FormDialog
      title={props.title}
      submit={props.submit}
      dismiss={props.dismiss}
      danger
      ready={!props.typed || typed === props.typed}
      onSubmit={props.onSubmit}
      onClose={props.onClose}
    >
      <div>{props.children}</div>
      {props.typed && (
        <TextInput
          id="confirm-typed"
          data-first-field
          labelText={`Type ${props.typed} to confirm`}
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      )}
    </FormDialog>
  );
}

/** Gives the focus back to what had it before the dialog opened. */
function useReturnedFocus() {
  const before = useRef(document.activeElement);
  useEffect(() => {
    const opener = before.current;
    return () => {
      window.setTimeout(() => {
        if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      });
    };
  }, []);
}
