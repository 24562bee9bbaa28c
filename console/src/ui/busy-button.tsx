import type { ComponentProps, MouseEvent } from "react";
import { Button } from "@carbon/react";

/** A button whose action takes a while. Until it is done a click or Enter does nothing; a disabled button would lose the focus. */
export function BusyButton({
  busy,
  onClick,
  ...button
}: ComponentProps<typeof Button<"button">> & { busy: boolean }) {
  return (
    <Button
      {...button}
      aria-disabled={busy || undefined}
      className={busy ? "cds--btn--disabled" : undefined}
      onClick={(event: MouseEvent<HTMLButtonElement>) => {
        if (busy) event.preventDefault();
        else onClick?.(event);
      }}
    />
  );
}
