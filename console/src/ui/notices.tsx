import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { InlineNotification } from "@carbon/react";
import { useLocation } from "react-router";
import { sentenceOf } from "../api/errors";

interface Notice {
  kind: "success" | "error";
  text: string;
  key: number;
  /** How many changes of page it outlives. */
  moves: number;
}

interface Notices {
  shown: ReactNode;
  /** Something worked, and the page stays. */
  done: (text: string) => void;
  /** Something worked, and another page opens next: it is said there. */
  doneAndLeaving: (text: string) => void;
  failed: (error: unknown) => void;
  clear: () => void;
}

const Context = createContext<Notices>({
  shown: null,
  done: noop,
  doneAndLeaving: noop,
  failed: noop,
  clear: noop,
});

/** What the last action led to, said once at the head of the page. */
export function useNotices(): Notices {
  return useContext(Context);
}

export function NoticeBoard({ children }: { children: ReactNode }) {
  const [notice, setNotice] = useState<Notice | null>(null);
  const { pathname } = useLocation();
  useEffect(() => {
    setNotice((before) => (before && before.moves > 0 ? { ...before, moves: before.moves - 1 } : null));
  }, [pathname]);
  const say = useCallback((kind: Notice["kind"], text: string, moves = 0) => {
    setNotice({ kind, text, key: Date.now(), moves });
    window.scrollTo({ top: 0 });
  }, []);
  const done = useCallback((text: string) => say("success", text), [say]);
  const doneAndLeaving = useCallback((text: string) => say("success", text, 1), [say]);
  const failed = useCallback((error: unknown) => say("error", sentenceOf(error)), [say]);
  const clear = useCallback(() => setNotice(null), []);
  const value = useMemo(
    () => ({
      done,
      doneAndLeaving,
      failed,
      clear,
      shown: (
        <div aria-live="polite" className="v-notices">
          {notice && <Told key={notice.key} kind={notice.kind} text={notice.text} onClose={clear} />}
        </div>
      ),
    }),
    [notice, done, doneAndLeaving, failed, clear],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** One message in the flow of the page. It holds no link or button: it is announced as a whole. */
export function Told(props: {
  kind: "success" | "error" | "warning" | "info";
  text: ReactNode;
  title?: string;
  onClose?: () => void;
}) {
  const titles = { success: "Done", error: "That did not work", warning: "Note", info: "Note" };
  return (
    <InlineNotification
      kind={props.kind}
      lowContrast
      role={props.kind === "error" ? "alert" : "status"}
      title={props.title ?? titles[props.kind]}
      hideCloseButton={!props.onClose}
      onCloseButtonClick={props.onClose}
      aria-label="Close the message"
    >
      {props.text}
    </InlineNotification>
  );
}

function noop() {}
