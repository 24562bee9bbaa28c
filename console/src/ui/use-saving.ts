import { useState } from "react";
import { useNotices } from "./notices";

/** Saving a form: whether it is under way, and `save`, which says what came of it. `work` answers what to say when it went well. */
export function useSaving() {
  const notices = useNotices();
  const [busy, setBusy] = useState(false);
  async function save(work: () => Promise<string>) {
    setBusy(true);
    notices.clear();
    try {
      notices.done(await work());
    } catch (error) {
      notices.failed(error);
    } finally {
      setBusy(false);
    }
  }
  return { busy, save };
}
