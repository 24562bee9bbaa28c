import type { ChangeEvent, ComponentProps } from "react";
import { PasswordInput } from "@carbon/react";

/** A field for something nobody should read over a shoulder. `what` names it in the button that shows it. */
export function SecretInput(
  props: {
    id: string;
    what: string;
    problem?: string;
    onChange?: (event: ChangeEvent<HTMLInputElement>) => void;
  } & Pick<
    ComponentProps<typeof PasswordInput>,
    "labelText" | "helperText" | "autoComplete" | "value" | "size" | "ref" | "onPaste" | "onDrop"
  >,
) {
  const { what, problem = "", ...input } = props;
  const invalid = problem !== "";
  return (
    <PasswordInput
      {...input}
      spellCheck={false}
      showPasswordLabel={`Show the ${what}`}
      hidePasswordLabel={`Hide the ${what}`}
      invalid={invalid}
      invalidText={problem}
      // Carbon names the message as the field's error message only, which not every screen reader announces.
      aria-describedby={invalid ? `${props.id}-error-msg` : undefined}
    />
  );
}
