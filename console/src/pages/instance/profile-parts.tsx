import { useRef, useState } from "react";
import { Link } from "react-router";
import { Checkbox, FormGroup, TextArea } from "@carbon/react";
import {
  getUserRoles,
  listRoles,
  setAttributes,
  setUserRoles,
  type Profile,
  type Role,
  type RoleRef,
} from "../../api/management";
import { BusyButton } from "../../ui/busy-button";
import { Empty, Loaded, useLoad } from "../../ui/load";
import { useSaving } from "../../ui/use-saving";
import { Section } from "../../ui/page";
import { useInstance } from "./layout";

/** Custom attributes as JSON. */
export function AttributesSection(props: { tenant: string; profile: Profile; onSaved: () => void }) {
  const { tenant, profile, onSaved } = props;
  const { busy, save } = useSaving();
  const before = JSON.stringify(profile.attributes ?? {}, null, 2);
  const [text, setText] = useState(before);
  const [invalid, setInvalid] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  async function set(wanted: Record<string, unknown>) {
    const saved = await setAttributes(tenant, profile.id, wanted);
    const kept = saved?.attributes ?? wanted;
    setText(JSON.stringify(kept, null, 2));
    onSaved();
    const left = Object.keys(kept).filter((name) => !(name in wanted));
    return left.length > 0
      ? `The attributes are saved. The service keeps attributes that a change leaves out: ${left.join(", ")}.`
      : "The attributes are saved.";
  }
  return (
    <Section
      title="Attributes"
      lead="Your own data about this user, a JSON object of at most 100 kB. Attributes that are left out stay as they are."
    >
      <form
        className="v-form v-form--page"
        onSubmit={(event) => {
          event.preventDefault();
          const parsed = parseObject(text);
          if (typeof parsed === "string") {
            setInvalid(parsed);
            return;
          }
          setInvalid("");
          void save(() => set(parsed));
        }}
      >
        <TextArea
          id="attributes"
          ref={field}
          className="v-mono"
          labelText="Attributes"
          rows={Math.min(16, Math.max(4, text.split("\n").length))}
          spellCheck={false}
          value={text}
          invalid={invalid !== ""}
          invalidText={invalid}
          onChange={(event) => {
            setText(event.target.value);
            setInvalid("");
          }}
        />
        <div className="v-actions">
          <BusyButton type="submit" kind="secondary" busy={busy}>
            {busy ? "Saving…" : "Save attributes"}
          </BusyButton>
          {text !== before && (
            <BusyButton
              kind="ghost"
              busy={busy}
              onClick={() => {
                setText(before);
                setInvalid("");
                field.current?.focus();
              }}
            >
              Undo changes
            </BusyButton>
          )}
        </div>
      </form>
    </Section>
  );
}

/** The roles of one user. */
export function UserRolesSection({ tenant, profileId }: { tenant: string; profileId: string }) {
  const load = useLoad(
    () => Promise.all([listRoles(tenant), getUserRoles(tenant, profileId)]),
    [tenant, profileId],
  );
  return (
    <Section title="Roles">
      <Loaded load={load} what="Loading the roles">
        {([all, own]) => <UserRolesForm profileId={profileId} all={all} own={own} />}
      </Loaded>
    </Section>
  );
}

function UserRolesForm({ profileId, all, own }: { profileId: string; all: Role[]; own: RoleRef[] }) {
  const { guid } = useInstance();
  const { busy, save } = useSaving();
  const [chosen, setChosen] = useState(own.map((one) => one.id));
  if (all.length === 0) {
    return (
      <Empty
        title="The instance has no roles yet"
        action={
          <Link className="cds--btn cds--btn--tertiary" to={`/instances/${guid}/roles/new`}>
            Create a role
          </Link>
        }
      />
    );
  }
  async function set() {
    const saved = await setUserRoles(guid, profileId, chosen);
    setChosen(saved.map((one) => one.id));
    return "The user's roles are saved. They count from the next token on.";
  }
  return (
    <form
      className="v-form v-form--page"
      onSubmit={(event) => {
        event.preventDefault();
        void save(set);
      }}
    >
      <FormGroup legendText="Roles of this user">
        {all.map((role) => (
          <Checkbox
            key={role.id}
            id={`role-${role.id}`}
            labelText={role.name}
            helperText={role.description}
            checked={chosen.includes(role.id)}
            onChange={(_, { checked }) =>
              setChosen(checked ? [...chosen, role.id] : chosen.filter((id) => id !== role.id))
            }
          />
        ))}
      </FormGroup>
      <div>
        <BusyButton type="submit" kind="secondary" busy={busy}>
          {busy ? "Saving…" : "Save roles"}
        </BusyButton>
      </div>
    </form>
  );
}

/** The object, or a sentence about what is wrong with the text. */
function parseObject(text: string): Record<string, unknown> | string {
  let value: unknown;
  try {
    value = JSON.parse(text.trim() || "{}");
  } catch (error) {
    const told = error instanceof Error ? error.message : "";
    return `This is not valid JSON. ${told}`.trim();
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "This has to be a JSON object: names and values in braces.";
  }
  return value as Record<string, unknown>;
}
