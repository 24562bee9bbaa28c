import type { ComponentType } from "react";
import { Button } from "@carbon/react";
import { unreachable } from "../api/errors";
import { Failed, Loading, useLoad } from "./load";
import { Page } from "./page";

type Read<P> = () => Promise<{ default: ComponentType<P> }>;

/** Milliseconds after which a script that did not come is asked for once more, before anything is said. */
const PAUSE = 300;

/**
 * A page whose script is fetched when it is first opened. React's `lazy` keeps a failure for as long as the window is open; this
 * asks anew with "Try again" and with every visit.
 */
export function lazyPage<P extends object>(read: Read<P>): ComponentType<P> {
  let known: ComponentType<P> | undefined;
  async function find() {
    try {
      known ??= (await twice(read)).default;
      return { page: known };
    } catch {
      if (await isReplaced()) return { page: Replaced };
      throw unreachable();
    }
  }
  return function LazyPage(props: P) {
    const load = useLoad(find, []);
    const Found = known ?? load.data?.page;
    if (Found) return <Found {...props} />;
    if (load.error) {
      return (
        <Page title="Page not loaded">
          <Failed error={load.error} retry={load.reload} />
        </Page>
      );
    }
    return <Loading what="Loading the page" />;
  };
}

async function twice<P>(read: Read<P>) {
  try {
    return await read();
  } catch {
    await new Promise((done) => setTimeout(done, PAUSE));
    return read();
  }
}

/** Whether the service has another console by now than the one in this window, whose scripts are gone then. */
async function isReplaced(): Promise<boolean> {
  const own = document.querySelector<HTMLScriptElement>("script[type=module]")?.src.split("/").pop();
  try {
    const answer = await fetch("/console/", { cache: "no-store" });
    return answer.ok && own !== undefined && !(await answer.text()).includes(own);
  } catch {
    return false;
  }
}

function Replaced() {
  return (
    <Page title="There is a newer console">
      <div className="v-state">
        <p>
          The service was updated since you opened this one. Reload to get the new one; you will be asked to
          sign in again.
        </p>
        <Button kind="tertiary" size="md" onClick={() => window.location.reload()}>
          Reload
        </Button>
      </div>
    </Page>
  );
}
