import { TextInput } from "@carbon/react";

/** Who is told by mail when a job has made its file. */
export function EmailField({ email, onChange }: { email: string; onChange: (email: string) => void }) {
  return (
    <TextInput
      id="email"
      type="email"
      labelText="E-mail address"
      helperText="Told when the file is ready, or could not be made."
      autoComplete="email"
      value={email}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

/** How long the service keeps a file. */
export function DaysField({ days, onChange }: { days: string; onChange: (days: string) => void }) {
  const invalid = !daysReady(days);
  return (
    <TextInput
      id="days"
      type="text"
      inputMode="numeric"
      labelText="Days to keep the file"
      helperText="From 1 to 30. The file is deleted after them."
      autoComplete="off"
      invalid={invalid}
      invalidText="Give a whole number from 1 to 30."
      // As with secrets: the message is named where every screen reader looks for it.
      aria-describedby={invalid ? "days-error-msg" : undefined}
      value={days}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

export function daysReady(days: string): boolean {
  const value = Number(days);
  return /^\d+$/.test(days.trim()) && value >= 1 && value <= 30;
}
