import { useState } from "react";
import { Link } from "react-router";
import { Toggle } from "@carbon/react";
import { ApiError } from "../../api/errors";
import { getProvider, setProvider, type Provider } from "../../api/management";
import { Loaded, useLoad } from "../../ui/load";
import { useNotices } from "../../ui/notices";
import { Page } from "../../ui/page";
import { useInstance } from "./layout";
import { PROVIDERS, type ProviderInfo } from "./provider-names";

export default function Providers() {
  const { guid } = useInstance();
  return (
    <Page
      title="Identity providers"
      lead="Where the people who sign in come from."
      actions={
        <Link className="cds--btn cds--btn--tertiary cds--btn--md" to={`/instances/${guid}/duplicate`}>
          Duplicate from another instance
        </Link>
      }
    >
      <ul className="v-cards">
        {PROVIDERS.map((info) => (
          <ProviderCard key={info.name} info={info} tenant={guid} />
        ))}
      </ul>
    </Page>
  );
}

function ProviderCard({ info, tenant }: { info: ProviderInfo; tenant: string }) {
  const load = useLoad(() => getProvider(tenant, info.name), [tenant, info.name]);
  const notices = useNotices();
  const [busy, setBusy] = useState(false);
  async function turn(provider: Provider, isActive: boolean) {
    setBusy(true);
    try {
      load.put(await setProvider(tenant, info.name, { ...provider, isActive }));
      notices.done(`${info.title} is switched ${isActive ? "on" : "off"}.`);
    } catch (error) {
      const incomplete = isActive && error instanceof ApiError && error.status === 400;
      notices.failed(
        incomplete
          ? new Error(
              `${info.title} is not set up yet. Choose “Edit”, fill in what it needs, and switch it on there.`,
            )
          : error,
      );
    } finally {
      setBusy(false);
    }
  }
  return (
    <li className="v-card">
      <div className="v-card-text">
        <h2>{info.title}</h2>
        <p>{info.about}</p>
      </div>
      <Loaded load={load} what="Loading">
        {(provider) => (
          <div className="v-card-actions">
            <Toggle
              id={`active-${info.name}`}
              size="sm"
              labelText={`${info.title} is used for sign-in`}
              labelA="Off"
              labelB="On"
              aria-disabled={busy || undefined}
              toggled={provider.isActive}
              onToggle={(on) => {
                if (!busy) void turn(provider, on);
              }}
            />
            <Link
              className="cds--btn cds--btn--ghost cds--btn--sm"
              aria-label={`Edit ${info.title}`}
              to={`/instances/${tenant}/providers/${info.name}`}
            >
              Edit
            </Link>
          </div>
        )}
      </Loaded>
    </li>
  );
}
