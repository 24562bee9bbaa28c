import { useEffect, useState } from "react";
import { Button } from "@carbon/react";
import { Checkmark, Copy } from "@carbon/icons-react";

/** A button that copies `text` and says whether it could. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = window.setTimeout(() => setSaid(""), 3000);
    return () => window.clearTimeout(timer);
  }, [said]);
  return (
    <>
      <Button
        kind="ghost"
        size="sm"
        hasIconOnly
        iconDescription={said || `Copy ${what}`}
        tooltipPosition="left"
        renderIcon={said === "Copied" ? Checkmark : Copy}
        onClick={() => void copy(text).then((ok) => setSaid(ok ? "Copied" : "Select and copy it by hand"))}
      />
      <span role="status" className="v-only-heard">
        {said}
      </span>
    </>
  );
}

/** Labelled values, each with a button that copies it. */
export function CopyList({ entries }: { entries: [label: string, value: string][] }) {
  return (
    <dl className="v-facts v-facts--copy">
      {entries.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <code>{value}</code>
            <CopyButton text={value} what={label} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Text in a box, such as credentials, with a button that copies all of it. */
export function CopyBlock({ label, text }: { label: string; text: string }) {
  return (
    <div className="v-block">
      <pre role="region" tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <CopyButton text={text} what={label} />
    </div>
  );
}

async function copy(text: string): Promise<boolean> {
  try {
    // Missing where the console is served by plain http from another machine.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
