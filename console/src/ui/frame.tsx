import { useEffect, useRef, useState } from "react";
import { Outlet, useLocation, Link, NavLink } from "react-router";
import { Header, HeaderGlobalAction, HeaderGlobalBar, HeaderMenuButton, SkipToContent } from "@carbon/react";
import { Logout } from "@carbon/icons-react";
import { signOut } from "../api/session";
import { CrashBoundary } from "./crash";
import { InstanceNameContext } from "./instance-name";
import { NoticeBoard } from "./notices";

const INSTANCE_PAGES: [path: string, text: string][] = [
  ["", "Overview"],
  ["/providers", "Identity providers"],
  ["/applications", "Applications"],
  ["/roles", "Roles"],
  ["/users", "Users"],
  ["/jobs", "Jobs"],
  ["/settings", "Settings"],
];

/** Header, navigation and the place where pages go. */
export function Frame() {
  const { pathname } = useLocation();
  const [open, setOpen] = useState(false);
  const [instanceName, setInstanceName] = useState("");
  const menuButton = useRef<HTMLButtonElement>(null);
  useEffect(() => setOpen(false), [pathname]);
  useEffect(() => {
    if (!open) return;
    const close = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      menuButton.current?.focus();
    };
    document.addEventListener("keydown", close);
    return () => document.removeEventListener("keydown", close);
  }, [open]);
  const tenant = /^\/instances\/(?!deleted$)([^/]+)/.exec(pathname)?.[1];
  return (
    <InstanceNameContext.Provider value={setInstanceName}>
      <Header aria-label="Vestibule console">
        <SkipToContent href="#content">Skip to the content</SkipToContent>
        {tenant && (
          <HeaderMenuButton
            ref={menuButton}
            aria-label={open ? "Close the menu" : "Open the menu"}
            aria-expanded={open}
            aria-controls="instance-navigation"
            isActive={open}
            isCollapsible
            onClick={() => setOpen(!open)}
          />
        )}
        <Link className="cds--header__name" to="/instances">
          <span className="v-brand">Vestibule</span>
        </Link>
        <HeaderGlobalBar>
          <NavLink className="v-header-link" to="/outbox">
            Outbox
          </NavLink>
          <HeaderGlobalAction aria-label="Sign out" tooltipAlignment="end" onClick={() => signOut("left")}>
            <Logout size={20} />
          </HeaderGlobalAction>
        </HeaderGlobalBar>
      </Header>
      <div className={tenant ? "v-body v-body--with-nav" : "v-body"}>
        {tenant && (
          <nav
            id="instance-navigation"
            aria-label="Instance"
            className={open ? "v-nav v-nav--open" : "v-nav"}
          >
            <Link className="v-nav-up" to="/instances">
              All instances
            </Link>
            <p className="v-nav-name">{instanceName}</p>
            <ul>
              {INSTANCE_PAGES.map(([path, text]) => (
                <li key={text}>
                  <NavLink end={path === ""} to={`/instances/${tenant}${path}`}>
                    {text}
                  </NavLink>
                </li>
              ))}
            </ul>
          </nav>
        )}
        {tenant && open && <div className="v-nav-shade" onClick={() => setOpen(false)} />}
        <main id="content" className="v-main">
          <NoticeBoard>
            <CrashBoundary path={pathname}>
              <Outlet />
            </CrashBoundary>
          </NoticeBoard>
        </main>
      </div>
    </InstanceNameContext.Provider>
  );
}
