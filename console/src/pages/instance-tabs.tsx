import { PageTabs } from "../ui/page-tabs";

export function InstanceTabs() {
  return (
    <PageTabs
      label="Instances by state"
      tabs={[
        { to: "/instances", text: "In use" },
        { to: "/instances/deleted", text: "Deleted" },
      ]}
    />
  );
}
