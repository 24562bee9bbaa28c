import { NavLink } from "react-router";

/** Tabs that are pages of their own, each with its address. */
export function PageTabs({ label, tabs }: { label: string; tabs: { to: string; text: string }[] }) {
  return (
    <nav aria-label={label} className="v-tabs">
      {tabs.map((tab) => (
        <NavLink key={tab.to} to={tab.to} end>
          {tab.text}
        </NavLink>
      ))}
    </nav>
  );
}
