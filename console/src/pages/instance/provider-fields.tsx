import { Checkbox, FormGroup, Select, SelectItem, TextArea, TextInput } from "@carbon/react";
import { SecretInput } from "../../ui/secret-input";

export type Config = Record<string, unknown>;

export interface FieldProps {
  config: Config;
  set: (change: Config) => void;
}

export function CloudDirectoryFields({ config, set }: FieldProps) {
  const interactions = (config.interactions ?? {}) as Config;
  const confirmation = (interactions.identityConfirmation ?? {}) as Config;
  const setInteraction = (change: Config) => set({ interactions: { ...interactions, ...change } });
  return (
    <>
      <Select
        id="identity-field"
        labelText="People sign in with"
        helperText="Can be changed only while the directory is empty."
        value={String(config.identityField ?? "email")}
        onChange={(event) => set({ identityField: event.target.value })}
      >
        <SelectItem value="email" text="E-mail address and password" />
        <SelectItem value="userName" text="User name and password" />
      </Select>
      <FormGroup legendText="What people can do themselves">
        <Checkbox
          id="self-service"
          labelText="Change their details and password"
          checked={config.selfServiceEnabled !== false}
          onChange={(_, { checked }) => set({ selfServiceEnabled: checked })}
        />
        <Checkbox
          id="sign-up"
          labelText="Sign up"
          checked={config.signupEnabled !== false}
          onChange={(_, { checked }) => set({ signupEnabled: checked })}
        />
      </FormGroup>
      <Select
        id="access-mode"
        labelText="Confirmation of the e-mail address"
        value={String(confirmation.accessMode ?? "FULL")}
        onChange={(event) =>
          setInteraction({ identityConfirmation: { ...confirmation, accessMode: event.target.value } })
        }
      >
        <SelectItem value="FULL" text="Asked for; signing in works before it" />
        <SelectItem value="RESTRICTIVE" text="Needed before the first sign-in" />
        <SelectItem value="OFF" text="Not asked for" />
      </Select>
      <FormGroup legendText="Messages">
        <Checkbox
          id="welcome"
          labelText="Welcome new users"
          checked={interactions.welcomeEnabled !== false}
          onChange={(_, { checked }) => setInteraction({ welcomeEnabled: checked })}
        />
        <Checkbox
          id="reset-password"
          labelText="Reset a forgotten password by e-mail"
          checked={interactions.resetPasswordEnabled !== false}
          onChange={(_, { checked }) => setInteraction({ resetPasswordEnabled: checked })}
        />
        <Checkbox
          id="reset-notification"
          labelText="Tell people when their password was changed"
          checked={interactions.resetPasswordNotificationEnable !== false}
          onChange={(_, { checked }) => setInteraction({ resetPasswordNotificationEnable: checked })}
        />
      </FormGroup>
    </>
  );
}

export function SocialFields({ config, set, title }: FieldProps & { title: string }) {
  return (
    <>
      <TextInput
        id="idp-id"
        labelText={title === "Google" ? "Client ID" : "App ID"}
        helperText={`As ${title} issued it for your application.`}
        autoComplete="off"
        spellCheck={false}
        value={String(config.idpId ?? "")}
        onChange={(event) => set({ idpId: event.target.value })}
      />
      <SecretInput
        what="secret"
        id="idp-secret"
        labelText={title === "Google" ? "Client secret" : "App secret"}
        autoComplete="off"
        value={String(config.secret ?? "")}
        onChange={(event) => set({ secret: event.target.value })}
      />
    </>
  );
}

export function CustomFields({ config, set }: FieldProps) {
  return (
    <TextArea
      id="public-key"
      className="v-mono"
      labelText="Public key (PEM)"
      helperText="RSA, at least 2048 bits. Tokens signed with its private key are accepted."
      rows={9}
      spellCheck={false}
      value={String(config.publicKey ?? "")}
      onChange={(event) => set({ publicKey: event.target.value })}
    />
  );
}

export function SamlFields({ config, set }: FieldProps) {
  const certificates = (config.certificates ?? []) as string[];
  const context = (config.authnContext ?? {}) as { class?: string[]; comparison?: string };
  const text = (member: string) => String(config[member] ?? "");
  const flag = (member: string) => config[member] === true;
  function setCertificate(index: number, pem: string) {
    const next = [certificates[0] ?? "", certificates[1] ?? ""];
    next[index] = pem;
    set({ certificates: next.filter((one, i) => i === 0 || one !== "") });
  }
  return (
    <>
      <TextInput
        id="entity-id"
        labelText="Entity ID of the provider"
        autoComplete="off"
        spellCheck={false}
        value={text("entityID")}
        onChange={(event) => set({ entityID: event.target.value })}
      />
      <TextInput
        id="sign-in-url"
        labelText="Sign-in URL"
        type="url"
        autoComplete="off"
        spellCheck={false}
        value={text("signInUrl")}
        onChange={(event) => set({ signInUrl: event.target.value })}
      />
      <TextArea
        id="certificate-one"
        className="v-mono"
        labelText="Signing certificate (PEM)"
        rows={6}
        spellCheck={false}
        value={certificates[0] ?? ""}
        onChange={(event) => setCertificate(0, event.target.value)}
      />
      <TextArea
        id="certificate-two"
        className="v-mono"
        labelText="Second signing certificate (optional)"
        helperText="Accepted as well, for the time in which the provider changes its certificate."
        rows={4}
        spellCheck={false}
        value={certificates[1] ?? ""}
        onChange={(event) => setCertificate(1, event.target.value)}
      />
      <TextInput
        id="display-name"
        labelText="Name on the sign-in page"
        autoComplete="off"
        value={text("displayName")}
        onChange={(event) => set({ displayName: event.target.value })}
      />
      <TextArea
        id="authn-class"
        className="v-mono"
        labelText="Authentication contexts asked for"
        helperText="One URN a line. Empty means password over a protected transport."
        rows={3}
        spellCheck={false}
        value={(context.class ?? []).join("\n")}
        onChange={(event) => {
          const lines = event.target.value.split("\n").map((line) => line.trim());
          const kept = lines.filter((line, index) => line !== "" || index === lines.length - 1);
          set({ authnContext: kept.join("") === "" ? undefined : { ...context, class: kept } });
        }}
        onBlur={() => {
          if (context.class) set({ authnContext: { ...context, class: context.class.filter(Boolean) } });
        }}
      />
      <Select
        id="comparison"
        labelText="Compared"
        value={context.comparison ?? "exact"}
        onChange={(event) => set({ authnContext: { ...context, comparison: event.target.value } })}
      >
        <SelectItem value="exact" text="Exactly one of these" />
        <SelectItem value="minimum" text="At least as strong" />
        <SelectItem value="better" text="Stronger" />
        <SelectItem value="maximum" text="At most as strong" />
      </Select>
      <FormGroup legendText="Messages">
        <Checkbox
          id="sign-request"
          labelText="Sign requests to the provider"
          checked={flag("signRequest")}
          onChange={(_, { checked }) => set({ signRequest: checked })}
        />
        <Checkbox
          id="encrypt-response"
          labelText="Expect encrypted responses"
          checked={flag("encryptResponse")}
          onChange={(_, { checked }) => set({ encryptResponse: checked })}
        />
        <Checkbox
          id="include-scoping"
          labelText="Send the scoping element"
          checked={flag("includeScoping")}
          onChange={(_, { checked }) => set({ includeScoping: checked })}
        />
        <Checkbox
          id="idp-initiated"
          labelText="Accept sign-in started at the provider"
          checked={flag("idpInitEnabled")}
          onChange={(_, { checked }) => set({ idpInitEnabled: checked })}
        />
      </FormGroup>
      {flag("idpInitEnabled") && (
        <TextInput
          id="idp-redirect"
          labelText="Where a sign-in started at the provider lands"
          type="url"
          autoComplete="off"
          spellCheck={false}
          value={text("idpRedirectUrl")}
          onChange={(event) => set({ idpRedirectUrl: event.target.value })}
        />
      )}
    </>
  );
}
