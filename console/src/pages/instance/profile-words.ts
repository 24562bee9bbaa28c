const TITLES: Record<string, string> = {
  cloud_directory: "Cloud Directory",
  saml: "SAML",
  facebook: "Facebook",
  google: "Google",
  appid_custom: "Custom",
  ibmid: "IBMid",
  appid_anon: "Anonymous",
};

export function providerTitle(name: string): string {
  return TITLES[name] ?? name;
}
