import { useEffect, useLayoutEffect, useRef, useState, type ReactNode, type RefObject } from "react";
import { createPortal } from "react-dom";
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
  const modal = useRef<HTMLDivElement>(null);
  useReturnedFocus();
  useAlone(modal);
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
  return createPortal(
    <Modal
      ref={modal}
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
    </Modal>,
    document.body,
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

/** Makes everything around a dialog inert, also a dialog that it was opened from: Carbon alone catches the focus too late. */
function useAlone(dialog: RefObject<HTMLElement | null>) {
  // Before the next paint, so that what is said in the page as the dialog closes is said in a page that can be heard.
  useLayoutEffect(() => {
    const around = [...document.body.children].filter(
      (one): one is HTMLElement => one instanceof HTMLElement && one !== dialog.current && !one.inert,
    );
    for (const one of around) one.inert = true;
    return () => {
      for (const one of around) one.inert = false;
    };
  }, [dialog]);
}
