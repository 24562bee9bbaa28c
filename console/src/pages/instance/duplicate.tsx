import { useRef, useState } from "react";
import { Link } from "react-router";
import { Button, Checkbox, FormGroup, Select, SelectItem, Tag } from "@carbon/react";
import { duplicate, type DuplicateAnswer, type DuplicateRequest } from "../../api/management";
import { listAllInstances, type Instance } from "../../api/platform";
import { sentenceOf } from "../../api/errors";
import { BusyButton } from "../../ui/busy-button";
import { Listing } from "../../ui/listing";
import { Empty, Loaded, Loading, useLoad } from "../../ui/load";
import { Told } from "../../ui/notices";
import { focusHeading, Page, Section } from "../../ui/page";
import { familyTitle, outcomesOf, OUTCOMES, type Outcome } from "./duplicate-words";
import { useInstance } from "./layout";

type Asked = Omit<DuplicateRequest, "dryRun">;

interface Preview {
  asked: Asked;
  answer: DuplicateAnswer;
  /** Every family there is, and whether it is ticked. An answer lists only those that were asked for. */
  ticked: Record<string, boolean>;
}

export default function Duplicate() {
  const instance = useInstance();
  const load = useLoad(listAllInstances, []);
  return (
    <Page
      title="Duplicate from another instance"
      lead={`Copies settings of another instance to ${instance.name}. Users are not copied; move them with Export and Import.`}
      crumbs={[{ to: `/instances/${instance.guid}/providers`, text: "Identity providers" }]}
    >
      <Loaded load={load} what="Loading the instances">
        {(all) => {
          const others = all.filter((one) => one.guid !== instance.guid);
          if (others.length === 0) {
            return (
              <Empty
                title="There is no other instance"
                action={
                  <Link className="cds--btn cds--btn--primary" to="/instances">
                    Go to the instances
                  </Link>
                }
              >
                Settings can be copied once there are two.
              </Empty>
            );
          }
          return <DuplicateForm instance={instance} others={others} />;
        }}
      </Loaded>
    </Page>
  );
}

function DuplicateForm({ instance, others }: { instance: Instance; others: Instance[] }) {
  const [source, setSource] = useState("");
  const [include, setInclude] = useState<("applications" | "roles")[]>([]);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [result, setResult] = useState<DuplicateAnswer | null>(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState<"" | "preview" | "apply">("");
  const turn = useRef(0);
  const sourceName = others.find((one) => one.guid === source)?.name ?? "";

  function reset() {
    turn.current += 1;
    setPreview(null);
    setResult(null);
    setError("");
    setBusy("");
  }
  async function look(asked: Asked, ticked?: Record<string, boolean>) {
    const mine = ++turn.current;
    setBusy("preview");
    setError("");
    try {
      const answer = await duplicate(instance.guid, { ...asked, dryRun: true });
      if (mine === turn.current) setPreview({ asked, answer, ticked: ticked ?? ticksOf(answer) });
    } catch (thrown) {
      if (mine === turn.current) setError(sentenceOf(thrown));
    } finally {
      if (mine === turn.current) setBusy("");
    }
  }
  async function apply(asked: Asked) {
    setBusy("apply");
    setError("");
    try {
      setResult(await duplicate(instance.guid, { ...asked, dryRun: false }));
      focusHeading();
    } catch (thrown) {
      setError(sentenceOf(thrown));
    } finally {
      setBusy("");
    }
  }
  function toggleFamily(shown: Preview, family: string, wanted: boolean) {
    const ticked = { ...shown.ticked, [family]: wanted };
    const families = Object.keys(ticked).filter((name) => ticked[name]);
    setPreview({ ...shown, ticked });
    void look({ ...shown.asked, families }, ticked);
  }
  function toggleInclude(what: "applications" | "roles", wanted: boolean) {
    reset();
    // Roles grant scopes of applications, so they are of no use without them.
    let next = include.filter((one) => one !== what);
    if (wanted) next = what === "roles" ? ["applications", "roles"] : [...next, what];
    if (!wanted && what === "applications") next = [];
    setInclude(next);
  }

  if (result) {
    return (
      <Section title="What was done">
        <Told kind="success" text={`${instance.name} now has the settings of ${sourceName} listed here.`} />
        <OutcomeTable answer={result} />
        <Warnings answer={result} />
        <div className="v-actions">
          <Link className="cds--btn cds--btn--primary" to={`/instances/${instance.guid}/providers`}>
            See the identity providers
          </Link>
          <Button kind="ghost" onClick={reset}>
            Duplicate from another one
          </Button>
        </div>
      </Section>
    );
  }
  const changes = preview
    ? outcomesOf(preview.answer).filter((one) => one.outcome !== "unchanged" && one.outcome !== "skipped")
        .length
    : 0;
  return (
    <>
      <form
        className="v-form v-form--page"
        onSubmit={(event) => {
          event.preventDefault();
          if (source) void look({ sourceTenantId: source, include });
        }}
      >
        <Select
          id="source"
          labelText="Copy from"
          value={source}
          disabled={busy === "apply"}
          onChange={(event) => {
            reset();
            setSource(event.target.value);
          }}
        >
          <SelectItem value="" text="Choose an instance" />
          {others.map((one) => (
            <SelectItem key={one.guid} value={one.guid} text={`${one.name} (${one.region_id})`} />
          ))}
        </Select>
        <FormGroup legendText="Copy as well">
          <Checkbox
            id="with-applications"
            labelText="Applications, with new credentials"
            checked={include.includes("applications")}
            disabled={busy === "apply"}
            onChange={(_, { checked }) => toggleInclude("applications", checked)}
          />
          <Checkbox
            id="with-roles"
            labelText="Roles, with the applications whose scopes they grant"
            checked={include.includes("roles")}
            disabled={busy === "apply"}
            onChange={(_, { checked }) => toggleInclude("roles", checked)}
          />
        </FormGroup>
        {error && <Told kind="error" text={error} />}
        <div>
          <BusyButton
            type="submit"
            kind={preview ? "tertiary" : "primary"}
            busy={busy !== ""}
            disabled={!source}
          >
            {preview ? "Preview again" : "Preview"}
          </BusyButton>
        </div>
      </form>
      {busy === "preview" && <Loading what="Comparing the two instances" />}
      {preview && (
        <Section
          title="What will change"
          lead={`Nothing has changed yet. Ticked settings of ${instance.name} are replaced by those of ${sourceName}.`}
        >
          <OutcomeTable
            answer={preview.answer}
            ticked={preview.ticked}
            onToggle={
              busy === "apply" ? undefined : (family, wanted) => toggleFamily(preview, family, wanted)
            }
          />
          <Warnings answer={preview.answer} />
          <div className="v-actions">
            <BusyButton busy={busy !== ""} disabled={changes === 0} onClick={() => void apply(preview.asked)}>
              {busy === "apply" ? "Applying…" : "Apply"}
            </BusyButton>
            {changes === 0 && <p>There is nothing to change: the ticked settings are equal already.</p>}
          </div>
        </Section>
      )}
    </>
  );
}

function OutcomeTable(props: {
  answer: DuplicateAnswer;
  /** Given for a preview, whose families can be ticked. */
  ticked?: Record<string, boolean>;
  onToggle?: (family: string, wanted: boolean) => void;
}) {
  const { answer, ticked, onToggle } = props;
  const preview = ticked !== undefined;
  const word = (one: Outcome) => OUTCOMES[one.outcome];
  return (
    <Listing
      label={preview ? "What will change" : "What was done"}
      rows={outcomesOf(answer, ticked).map((one, index) => ({ ...one, index }))}
      rowKey={(one) => `${one.index} ${one.name}`}
      columns={[
        {
          title: "Setting",
          cell: (one) =>
            preview && one.family ? (
              <Checkbox
                id={`family-${one.name}`}
                labelText={familyTitle(one.name)}
                checked={ticked[one.name]}
                disabled={!onToggle}
                onChange={(_, { checked }) => onToggle?.(one.name, checked)}
              />
            ) : one.family ? (
              familyTitle(one.name)
            ) : (
              one.name
            ),
        },
        {
          title: preview ? "Will be" : "Was",
          cell: (one) => (
            <Tag type={word(one)?.tag ?? "gray"} size="md">
              {word(one)?.[preview ? "will" : "was"] ?? one.outcome}
            </Tag>
          ),
        },
      ]}
    />
  );
}

/** What the service copies when nothing is named: everything but redirect URIs, which belong to one place. */
function ticksOf(answer: DuplicateAnswer): Record<string, boolean> {
  const names = Object.keys(answer.families);
  return Object.fromEntries(names.map((name) => [name, name !== "redirect_uris"]));
}

function Warnings({ answer }: { answer: DuplicateAnswer }) {
  return (
    <>
      {(answer.warnings ?? []).map((warning) => (
        <Told key={warning} kind="warning" text={warning} />
      ))}
    </>
  );
}
