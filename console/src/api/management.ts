import { request, segment } from "./request";

// Shapes follow contract/management-v4.openapi.yaml. Every function takes the instance's GUID first.

export interface Application {
  clientId: string;
  tenantId: string;
  name: string;
  type: "regularwebapp" | "singlepageapp";
  secret?: string;
  oAuthServerUrl: string;
  profilesUrl: string;
  discoveryEndpoint: string;
}

export interface RoleRef {
  id: string;
  name: string;
}

export interface RoleAccess {
  application_id: string;
  scopes: string[];
}

export interface Role extends RoleRef {
  description?: string;
  access?: RoleAccess[];
}

export interface RoleDraft {
  name: string;
  description: string;
  access: RoleAccess[];
}

export type ProviderName = "cloud_directory" | "facebook" | "google" | "custom" | "saml";

export interface Provider {
  isActive: boolean;
  config?: Record<string, unknown>;
  redirectURL?: string;
  validation_data?: {
    certificates: { certificate_index: number; expiration_timestamp: number; warning?: string }[];
  };
}

export interface TokensConfig {
  access?: { expires_in: number };
  refresh?: { expires_in?: number; enabled?: boolean };
  anonymousAccess?: { expires_in?: number; enabled?: boolean };
  idTokenClaims?: unknown[];
  accessTokenClaims?: unknown[];
}

export interface DirectoryUser {
  id: string;
  displayName?: string;
  userName?: string;
  active: boolean;
  status: "PENDING" | "CONFIRMED";
  lockedUntil?: number;
  emails: { value: string; primary?: boolean }[];
  name?: { givenName?: string; familyName?: string; formatted?: string };
  phoneNumbers?: { value?: string }[];
  meta?: { created?: string; lastModified?: string; lastLogin?: string };
  [member: string]: unknown;
}

export interface DirectoryPage {
  totalResults?: number;
  itemsPerPage?: number;
  Resources: DirectoryUser[];
}

export interface Identity {
  provider: string;
  id?: string;
  [member: string]: unknown;
}

export interface Profile {
  id: string;
  idp?: string;
  name?: string;
  email?: string;
  picture?: string;
  gender?: string;
  locale?: string;
  preferred_username?: string;
  identities?: Identity[];
  attributes?: Record<string, unknown>;
}

export interface ProfilePage {
  totalResults?: number;
  users: Profile[];
}

export interface Page {
  startIndex: number;
  count: number;
}

export type DuplicateOutcome = string;

export interface DuplicateRequest {
  sourceTenantId: string;
  families?: string[];
  include?: ("applications" | "roles")[];
  dryRun: boolean;
}

export interface DuplicateAnswer {
  families: Record<string, DuplicateOutcome>;
  /** Present where they were asked for. Names need not be unique. */
  applications?: NamedOutcome[];
  roles?: NamedOutcome[];
  warnings?: string[];
}

export interface NamedOutcome {
  name: string;
  outcome: DuplicateOutcome;
}

/** The address of a call of an instance. */
export const at = (tenant: string, path: string) => `/management/v4/${segment(tenant)}/${path}`;

// Applications and roles

export async function listApplications(tenant: string): Promise<Application[]> {
  return (await request<{ applications: Application[] }>(at(tenant, "applications"))).applications;
}

export function getApplication(tenant: string, id: string): Promise<Application> {
  return request(at(tenant, `applications/${segment(id)}`));
}

export function createApplication(
  tenant: string,
  draft: { name: string; type: Application["type"] },
): Promise<Application> {
  return request(at(tenant, "applications"), { method: "POST", body: draft });
}

export function renameApplication(tenant: string, id: string, name: string): Promise<Application> {
  return request(at(tenant, `applications/${segment(id)}`), { method: "PUT", body: { name } });
}

export function deleteApplication(tenant: string, id: string): Promise<void> {
  return request(at(tenant, `applications/${segment(id)}`), { method: "DELETE" });
}

export async function getScopes(tenant: string, id: string): Promise<string[]> {
  return (
    (await request<{ scopes?: string[] }>(at(tenant, `applications/${segment(id)}/scopes`))).scopes ?? []
  );
}

export async function setScopes(tenant: string, id: string, scopes: string[]): Promise<string[]> {
  const path = at(tenant, `applications/${segment(id)}/scopes`);
  return (await request<{ scopes?: string[] }>(path, { method: "PUT", body: { scopes } })).scopes ?? [];
}

export async function getApplicationRoles(tenant: string, id: string): Promise<RoleRef[]> {
  return (await request<{ roles?: RoleRef[] }>(at(tenant, `applications/${segment(id)}/roles`))).roles ?? [];
}

export async function setApplicationRoles(tenant: string, id: string, ids: string[]): Promise<RoleRef[]> {
  const path = at(tenant, `applications/${segment(id)}/roles`);
  return (
    (await request<{ roles?: RoleRef[] }>(path, { method: "PUT", body: { roles: { ids } } })).roles ?? []
  );
}

export async function listRoles(tenant: string): Promise<Role[]> {
  return (await request<{ roles?: Role[] }>(at(tenant, "roles"))).roles ?? [];
}

export function getRole(tenant: string, id: string): Promise<Role> {
  return request(at(tenant, `roles/${segment(id)}`));
}

export function createRole(tenant: string, draft: RoleDraft): Promise<Role> {
  return request(at(tenant, "roles"), { method: "POST", body: draft });
}

export function updateRole(tenant: string, id: string, draft: RoleDraft): Promise<Role> {
  return request(at(tenant, `roles/${segment(id)}`), { method: "PUT", body: draft });
}

export function deleteRole(tenant: string, id: string): Promise<void> {
  return request(at(tenant, `roles/${segment(id)}`), { method: "DELETE" });
}

// Configuration

export function getProvider(tenant: string, name: ProviderName): Promise<Provider> {
  return request(at(tenant, `config/idps/${name}`));
}

export function setProvider(tenant: string, name: ProviderName, provider: Provider): Promise<Provider> {
  const { isActive, config } = provider;
  return request(at(tenant, `config/idps/${name}`), { method: "PUT", body: { isActive, config } });
}

export function getTokens(tenant: string): Promise<TokensConfig> {
  return request(at(tenant, "config/tokens"));
}

export function setTokens(tenant: string, config: TokensConfig): Promise<TokensConfig> {
  return request(at(tenant, "config/tokens"), { method: "PUT", body: config });
}

export async function getRedirectUris(tenant: string): Promise<string[]> {
  return (await request<{ redirectUris?: string[] }>(at(tenant, "config/redirect_uris"))).redirectUris ?? [];
}

export function setRedirectUris(tenant: string, redirectUris: string[]): Promise<void> {
  return request(at(tenant, "config/redirect_uris"), { method: "PUT", body: { redirectUris } });
}

export function duplicate(tenant: string, asked: DuplicateRequest): Promise<DuplicateAnswer> {
  return request(at(tenant, "config/duplicate"), { method: "POST", body: asked });
}

// Directory users

export function searchDirectory(tenant: string, query: string, page: Page): Promise<DirectoryPage> {
  return request(at(tenant, "cloud_directory/Users"), { query: { query, ...page } });
}

export function getDirectoryUser(tenant: string, id: string): Promise<DirectoryUser> {
  return request(at(tenant, `cloud_directory/Users/${segment(id)}`));
}

export function createDirectoryUser(tenant: string, user: Record<string, unknown>): Promise<DirectoryUser> {
  return request(at(tenant, "cloud_directory/Users"), { method: "POST", body: user });
}

export function updateDirectoryUser(
  tenant: string,
  id: string,
  user: Record<string, unknown>,
): Promise<DirectoryUser> {
  return request(at(tenant, `cloud_directory/Users/${segment(id)}`), { method: "PUT", body: user });
}

export function removeDirectoryUser(tenant: string, id: string): Promise<void> {
  return request(at(tenant, `cloud_directory/remove/${segment(id)}`), { method: "DELETE" });
}

/** The profile of a directory user; its `sub` is the profile's id. */
export function getDirectoryUserInfo(tenant: string, id: string): Promise<{ sub: string }> {
  return request(at(tenant, `cloud_directory/${segment(id)}/userinfo`));
}

// Profiles

export function searchProfiles(
  tenant: string,
  search: { email?: string; id?: string },
  page: Page,
): Promise<ProfilePage> {
  return request(at(tenant, "users"), { query: { dataScope: "full", ...search, ...page } });
}

export function getProfile(tenant: string, id: string): Promise<Profile> {
  return request(at(tenant, `users/${segment(id)}/profile`));
}

export function setAttributes(
  tenant: string,
  id: string,
  attributes: Record<string, unknown>,
): Promise<Profile | undefined> {
  return request(at(tenant, `users/${segment(id)}/profile`), { method: "PUT", body: { attributes } });
}

/** Makes the profile of a directory user before the first sign-in, so that it can carry attributes and roles. */
export function prepareProfile(tenant: string, directoryId: string): Promise<{ id: string }> {
  return request(at(tenant, "users"), {
    method: "POST",
    body: { idp: "cloud_directory", "idp-identity": directoryId, profile: { attributes: {} } },
  });
}

export function deleteProfile(tenant: string, id: string): Promise<void> {
  return request(at(tenant, `users/${segment(id)}`), { method: "DELETE" });
}

export async function getUserRoles(tenant: string, id: string): Promise<RoleRef[]> {
  return (await request<{ roles?: RoleRef[] }>(at(tenant, `users/${segment(id)}/roles`))).roles ?? [];
}

export async function setUserRoles(tenant: string, id: string, ids: string[]): Promise<RoleRef[]> {
  const path = at(tenant, `users/${segment(id)}/roles`);
  return (
    (await request<{ roles?: RoleRef[] }>(path, { method: "PUT", body: { roles: { ids } } })).roles ?? []
  );
}

/** `config/cloud_directory/sso`. */
export interface SsoConfig {
  isActive: boolean;
  inactivityTimeoutSeconds: number;
  logoutRedirectUris: string[];
}

export function getSso(tenant: string): Promise<SsoConfig> {
  return request(at(tenant, "config/cloud_directory/sso"));
}

export function setSso(tenant: string, config: SsoConfig): Promise<SsoConfig> {
  return request(at(tenant, "config/cloud_directory/sso"), { method: "PUT", body: config });
}
