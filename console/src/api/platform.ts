import { request, segment } from "./request";

/** A service instance (contract: Resource Controller v2). */
export interface Instance {
  id: string;
  guid: string;
  crn: string;
  name: string;
  region_id: string;
  state: string;
  locked?: boolean;
  created_at?: string;
  deleted_at?: string | null;
}

export interface InstancePage {
  resources: Instance[];
  next_url: string | null;
}

/** What stands between the deletion of an instance and its destruction. */
export interface Reclamation {
  id: string;
  entity_id?: string;
  resource_instance_id: string;
  state: string;
  target_time?: string;
  created_at?: string;
}

export function listInstances(state: "active" | "pending_reclamation", next?: string): Promise<InstancePage> {
  // The next page comes as a path of this service; anything else is not followed.
  if (next?.startsWith("/v2/resource_instances?")) return request(next);
  return request("/v2/resource_instances", { query: { state, limit: 50 } });
}

/** Every instance there is, for choosing one. */
export async function listAllInstances(): Promise<Instance[]> {
  const all: Instance[] = [];
  let page = await listInstances("active");
  all.push(...page.resources);
  while (page.next_url) {
    page = await listInstances("active", page.next_url);
    all.push(...page.resources);
  }
  return all;
}

export function getInstance(guid: string): Promise<Instance> {
  return request(`/v2/resource_instances/${segment(guid)}`);
}

export function createInstance(name: string, region: string): Promise<Instance> {
  return request("/v2/resource_instances", {
    method: "POST",
    body: { name, target: region, resource_group: "default", resource_plan_id: "standard" },
  });
}

export function renameInstance(guid: string, name: string): Promise<Instance> {
  return request(`/v2/resource_instances/${segment(guid)}`, { method: "PATCH", body: { name } });
}

export function deleteInstance(guid: string): Promise<void> {
  return request(`/v2/resource_instances/${segment(guid)}`, { method: "DELETE", query: { recursive: true } });
}

export async function listReclamations(): Promise<Reclamation[]> {
  return (await request<{ resources: Reclamation[] }>("/v1/reclamations")).resources;
}

export function actOnReclamation(id: string, action: "restore" | "reclaim"): Promise<unknown> {
  return request(`/v1/reclamations/${segment(id)}/actions/${action}`, { method: "POST", body: {} });
}
