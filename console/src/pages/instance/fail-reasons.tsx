import { useState } from "react";
import { Button } from "@carbon/react";
import { Listing } from "../../ui/listing";
import { count } from "../../ui/format";

const STEP = 100;

/** Who was not imported and why. */
export function FailReasons({ reasons }: { reasons: Record<string, unknown>[] }) {
  const [shown, setShown] = useState(STEP);
  if (reasons.length === 0) return <p>No user that was sent was refused.</p>;
  return (
    <>
      <Listing
        label="Users that were not added"
        rows={reasons.slice(0, shown).map((reason, index) => ({ reason, index }))}
        rowKey={({ index }) => String(index)}
        columns={[
          { title: "User", cell: ({ reason }) => whoOf(reason) },
          {
            title: "ID in the file",
            cell: ({ reason }) => <code>{text(reason.originalId ?? reason.id) || "–"}</code>,
          },
          { title: "Reason", cell: ({ reason }) => whyOf(reason.error) },
        ]}
      />
      {reasons.length > shown && (
        <Button kind="tertiary" onClick={() => setShown(shown + STEP)}>
          {`Show more of ${count(reasons.length)}`}
        </Button>
      )}
    </>
  );
}

function whoOf(reason: Record<string, unknown>): string {
  const named = text(reason.email) || text(reason.userName) || text(reason.idp);
  // Counted from 0 by the service, from 1 by people.
  return named || (typeof reason.index === "number" ? `No. ${reason.index + 1} in the file` : "–");
}

function whyOf(error: unknown): string {
  if (typeof error === "string") return error;
  if (typeof error !== "object" || error === null) return "No reason was given.";
  const told = error as Record<string, unknown>;
  const said = [told.detail, told.message, told.error_description, told.reason, told.code]
    .map(text)
    .find(Boolean);
  return said ?? JSON.stringify(error);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
