import { PageTabs } from "../../ui/page-tabs";

export function UserTabs({ tenant }: { tenant: string }) {
  return (
    <PageTabs
      label="Kinds of users"
      tabs={[
        { to: `/instances/${tenant}/users/directory`, text: "Directory users" },
        { to: `/instances/${tenant}/users/profiles`, text: "Federated and all profiles" },
      ]}
    />
  );
}
