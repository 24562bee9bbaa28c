import { useCallback, useEffect, useRef, useState, type DependencyList, type ReactNode } from "react";
import { Button, InlineLoading } from "@carbon/react";
import { sentenceOf } from "../api/errors";

export interface Load<T> {
  data: T | undefined;
  error: string;
  loading: boolean;
  /** Loads again; what is shown stays until the new data is there. */
  reload: () => void;
  /** Puts data in place that a write has answered. */
  put: (data: T) => void;
}

/** Loads data when the page opens and whenever `deps` change. An answer that was overtaken is dropped. */
export function useLoad<T>(read: () => Promise<T>, deps: DependencyList): Load<T> {
  const [state, setState] = useState<{ data?: T; error: string; loading: boolean }>({
    error: "",
    loading: true,
  });
  const latest = useRef(0);
  const run = useCallback(() => {
    const turn = ++latest.current;
    setState((before) => ({ ...before, error: "", loading: true }));
    read().then(
      (data) => {
        if (turn === latest.current) setState({ data, error: "", loading: false });
      },
      (error: unknown) => {
        if (turn === latest.current)
          setState((before) => ({ ...before, error: sentenceOf(error), loading: false }));
      },
    );
    // The caller says what `read` depends on, as with useEffect.
  }, deps);
  useEffect(() => {
    run();
    return () => {
      latest.current += 1;
    };
  }, [run]);
  const put = useCallback((data: T) => {
    latest.current += 1;
    setState({ data, error: "", loading: false });
  }, []);
  return { ...state, data: state.data, reload: run, put };
}

export function Loading({ what }: { what: string }) {
  return (
    <div className="v-loading">
      <InlineLoading description={`${what}…`} />
    </div>
  );
}

export function Failed({ error, retry }: { error: string; retry: () => void }) {
  return (
    <div className="v-state" role="alert">
      <p className="v-state-title">This could not be loaded</p>
      <p>{error}</p>
      <Button kind="tertiary" size="md" onClick={retry}>
        Try again
      </Button>
    </div>
  );
}

export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="v-state">
      <p className="v-state-title">{title}</p>
      {children && <p>{children}</p>}
      {action && <div className="v-state-action">{action}</div>}
    </div>
  );
}

/** Shows data once it is there, and otherwise whether it is on its way or why it will not come. */
export function Loaded<T>(props: { load: Load<T>; what: string; children: (data: T) => ReactNode }) {
  const { load, what, children } = props;
  if (load.error) return <Failed error={load.error} retry={load.reload} />;
  if (load.data === undefined) return <Loading what={what} />;
  return <>{children(load.data)}</>;
}
