import type { ProviderName } from "../../api/management";

export interface ProviderInfo {
  name: ProviderName;
  title: string;
  about: string;
}

export const PROVIDERS: ProviderInfo[] = [
  {
    name: "cloud_directory",
    title: "Cloud Directory",
    about: "Users with a password kept by this instance.",
  },
  { name: "saml", title: "SAML", about: "Sign-in through an organisation's own SAML 2.0 provider." },
  { name: "facebook", title: "Facebook", about: "Sign-in with a Facebook account." },
  { name: "google", title: "Google", about: "Sign-in with a Google account." },
  {
    name: "custom",
    title: "Custom",
    about: "Your own provider, which proves who someone is with a token it signs.",
  },
];
