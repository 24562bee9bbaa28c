import { useState } from "react";
import { useParams } from "react-router";
import { Toggle } from "@carbon/react";
import { getProvider, setProvider, type Provider } from "../../api/management";
import { BusyButton } from "../../ui/busy-button";
import { CopyList } from "../../ui/copy";
import { date } from "../../ui/format";
import { Loaded, useLoad } from "../../ui/load";
import { Told } from "../../ui/notices";
import { Page, Section } from "../../ui/page";
import { useSaving } from "../../ui/use-saving";
import NotFound from "../not-found";
import { useInstance } from "./layout";
import { PROVIDERS, type ProviderInfo } from "./provider-names";
import { CloudDirectoryFields, CustomFields, SamlFields, SocialFields, type Config } from "./provider-fields";

export default function ProviderPage() {
  const { name = "" } = useParams();
  const info = PROVIDERS.find((one) => one.name === name);
  return info ? <KnownProvider key={info.name} info={info} /> : <NotFound />;
}

function KnownProvider({ info }: { info: ProviderInfo }) {
  const { guid } = useInstance();
  const load = useLoad(() => getProvider(guid, info.name), [guid, info.name]);
  return (
    <Page
      title={info.title}
      lead={info.about}
      crumbs={[{ to: `/instances/${guid}/providers`, text: "Identity providers" }]}
    >
      <Loaded load={load} what="Loading the provider">
        {(provider) => <ProviderForm info={info} provider={provider} tenant={guid} />}
      </Loaded>
    </Page>
  );
}

function ProviderForm({
  info,
  provider,
  tenant,
}: {
  info: ProviderInfo;
  provider: Provider;
  tenant: string;
}) {
  const { busy, save } = useSaving();
  const [active, setActive] = useState(provider.isActive);
  const [config, setConfig] = useState<Config>(provider.config ?? {});
  const [answer, setAnswer] = useState(provider);
  async function set() {
    const saved = await setProvider(tenant, info.name, {
      isActive: active,
      config: sendable(info, config),
    });
    setAnswer({ ...answer, ...saved });
    setActive(saved.isActive);
    setConfig(saved.config ?? config);
    return `${info.title} is saved.`;
  }
  const fields = { config, set: (change: Config) => setConfig({ ...config, ...change }) };
  return (
    <>
      <form
        className="v-form v-form--page"
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void save(set);
        }}
      >
        <Toggle
          id="active"
          labelText="Used for sign-in"
          labelA="Off"
          labelB="On"
          toggled={active}
          onToggle={setActive}
        />
        {info.name === "cloud_directory" && <CloudDirectoryFields {...fields} />}
        {(info.name === "facebook" || info.name === "google") && (
          <SocialFields {...fields} title={info.title} />
        )}
        {info.name === "custom" && <CustomFields {...fields} />}
        {info.name === "saml" && <SamlFields {...fields} />}
        <CertificateChecks answer={answer} />
        <div>
          <BusyButton type="submit" busy={busy}>
            {busy ? "Saving…" : "Save"}
          </BusyButton>
        </div>
      </form>
      <ForTheProvider info={info} answer={answer} tenant={tenant} />
    </>
  );
}

/** What the other side has to be told. */
function ForTheProvider({ info, answer, tenant }: { info: ProviderInfo; answer: Provider; tenant: string }) {
  const entries: [string, string][] = [];
  if (answer.redirectURL) entries.push(["Redirect URL", answer.redirectURL]);
  if (info.name === "saml") {
    entries.push(["Entity ID of this instance", `urn:ibm:cloud:services:appid:${tenant}`]);
    entries.push(["Assertion consumer URL", `${window.location.origin}/saml2/v1/${tenant}/login-acs`]);
  }
  if (entries.length === 0) return null;
  return (
    <Section title={`To enter at ${info.name === "saml" ? "your SAML provider" : info.title}`}>
      <CopyList entries={entries} />
    </Section>
  );
}

function CertificateChecks({ answer }: { answer: Provider }) {
  const checks = answer.validation_data?.certificates ?? [];
  return (
    <>
      {checks.map((check) => {
        const which = check.certificate_index === 0 ? "The first certificate" : "The second certificate";
        const ends = date(
          check.expiration_timestamp > 1e11 ? check.expiration_timestamp : check.expiration_timestamp * 1000,
        );
        return (
          <Told
            key={check.certificate_index}
            kind={check.warning ? "warning" : "info"}
            text={`${which} is valid until ${ends}. ${check.warning ?? ""}`}
          />
        );
      })}
    </>
  );
}

/** Leaves out what was never filled in, so that a provider can be switched off without inventing its settings. */
function sendable(info: ProviderInfo, config: Config): Config | undefined {
  if (info.name === "cloud_directory") return config;
  const filled = Object.entries(config).filter(
    ([, value]) => value !== "" && !(Array.isArray(value) && value.length === 0),
  );
  return filled.length > 0 ? Object.fromEntries(filled) : undefined;
}
