import { Fragment } from "react";
import { TextInput } from "@carbon/react";

/** What docs/api/predicates.md tells more of. */
const NAMES = [
  "attributes",
  "roles",
  "provider",
  "id",
  "email",
  "emailDomain",
  "name",
  "userName",
  "active",
  "status",
  "created",
  "modified",
  "lastLogin",
];

const EXAMPLES = [
  'emailDomain == "example.com"',
  'attributes.country == "DE" && "adult" in roles',
  'created >= timestamp("2024-01-01T00:00:00Z") && !has(user.lastLogin)',
];

/** An expression that says which users to take. */
export function WhereField({ where, onChange }: { where: string; onChange: (where: string) => void }) {
  return (
    <div>
      <TextInput
        id="where"
        className="v-mono"
        labelText="Only users for whom this is true (optional)"
        placeholder='emailDomain == "example.com"'
        autoComplete="off"
        spellCheck={false}
        value={where}
        onChange={(event) => onChange(event.target.value)}
      />
      <details className="v-help">
        <summary>How such an expression is written</summary>
        <p>
          It is an expression of CEL, the Common Expression Language, and is tried on each user. It knows{" "}
          {NAMES.map((name, index) => (
            <Fragment key={name}>
              {index > 0 && ", "}
              <code>{name}</code>
            </Fragment>
          ))}{" "}
          and the members of the user’s record.
        </p>
        <ul>
          {EXAMPLES.map((example) => (
            <li key={example}>
              <code>{example}</code>
            </li>
          ))}
        </ul>
        <p>
          Where a name means nothing for a user, the expression is not true of it. Without an expression, all
          users are taken. The whole language is described in <code>docs/api/predicates.md</code>;{" "}
          <a className="cds--link" href="/docs/" target="_blank" rel="noreferrer">
            the service’s documentation
          </a>{" "}
          lists every call.
        </p>
      </details>
    </div>
  );
}
