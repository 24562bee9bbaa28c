import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { Button, RadioButton, RadioButtonGroup, TextInput } from "@carbon/react";
import { Add } from "@carbon/icons-react";
import { createApplication, listApplications, type Application } from "../../api/management";
import { FormDialog } from "../../ui/dialog";
import { Listing } from "../../ui/listing";
import { Empty, Loaded, useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { Page } from "../../ui/page";
import { useInstance } from "./layout";

export const TYPES: Record<Application["type"], string> = {
  regularwebapp: "Web application with a server",
  singlepageapp: "Single-page application",
};

export default function Applications() {
  const { guid } = useInstance();
  const load = useLoad(() => listApplications(guid), [guid]);
  const [adding, setAdding] = useState(false);
  const add = (
    <Button renderIcon={Add} onClick={() => setAdding(true)}>
      Add application
    </Button>
  );
  return (
    <Page
      title="Applications"
      lead="Each application gets credentials of its own."
      actions={load.data && load.data.length > 0 && add}
    >
      <Loaded load={load} what="Loading the applications">
        {(applications) =>
          applications.length === 0 ? (
            <Empty title="There is no application yet" action={add}>
              Add one to get the credentials that your code signs people in with.
            </Empty>
          ) : (
            <Listing
              label="Applications"
              rows={applications}
              rowKey={(one) => one.clientId}
              columns={[
                {
                  title: "Name",
                  cell: (one) => (
                    <Link className="cds--link" to={`/instances/${guid}/applications/${one.clientId}`}>
                      {one.name}
                    </Link>
                  ),
                },
                { title: "Type", cell: (one) => TYPES[one.type] ?? one.type },
                { title: "Client ID", cell: (one) => <code>{one.clientId}</code> },
                {
                  title: "Actions",
                  actions: true,
                  cell: (one) => (
                    <Link
                      className="cds--btn cds--btn--ghost cds--btn--sm"
                      aria-label={`View credentials of ${one.name}`}
                      to={`/instances/${guid}/applications/${one.clientId}?credentials`}
                    >
                      View credentials
                    </Link>
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
      {adding && <AddDialog tenant={guid} onClose={() => setAdding(false)} />}
    </Page>
  );
}

function AddDialog({ tenant, onClose }: { tenant: string; onClose: () => void }) {
  const navigate = useNavigate();
  const notices = useNotices();
  const [name, setName] = useState("");
  const [type, setType] = useState<Application["type"]>("regularwebapp");
  return (
    <FormDialog
      title="Add application"
      submit="Add"
      ready={name.trim() !== ""}
      onClose={onClose}
      onSubmit={async () => {
        const made = await createApplication(tenant, { name: name.trim(), type });
        notices.doneAndLeaving(`${made.name} is added.`);
        await navigate(`/instances/${tenant}/applications/${made.clientId}?credentials`);
      }}
    >
      <TextInput
        id="application-name"
        data-first-field
        labelText="Name"
        autoComplete="off"
        maxLength={50}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <RadioButtonGroup
        name="application-type"
        orientation="vertical"
        legendText="Type"
        helperText="It cannot be changed later. A single-page application gets no secret."
        valueSelected={type}
        onChange={(value) => setType(value as Application["type"])}
      >
        {Object.entries(TYPES).map(([value, text]) => (
          <RadioButton key={value} id={`type-${value}`} value={value} labelText={text} />
        ))}
      </RadioButtonGroup>
    </FormDialog>
  );
}
