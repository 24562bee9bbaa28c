import { useEffect, useRef, type ReactNode } from "react";
import { Link } from "react-router";
import { useNotices } from "./notices";

export interface Crumb {
  to: string;
  text: string;
}

/** Heading, breadcrumbs, actions and notices of one page. Moves the focus to the heading when the page opens. */
export function Page(props: {
  title: string;
  lead?: ReactNode;
  crumbs?: Crumb[];
  actions?: ReactNode;
  children: ReactNode;
}) {
  const { title, lead, crumbs, actions, children } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  const notices = useNotices();
  useEffect(() => {
    document.title = `${title} – Vestibule console`;
  }, [title]);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, []);
  return (
    <div className="v-page">
      {crumbs && (
        <nav aria-label="Breadcrumb" className="v-crumbs">
          <ol>
            {crumbs.map((crumb) => (
              <li key={crumb.to}>
                <Link className="cds--link" to={crumb.to}>
                  {crumb.text}
                </Link>
              </li>
            ))}
          </ol>
        </nav>
      )}
      <div className="v-heading">
        <h1 tabIndex={-1} ref={heading}>
          {title}
        </h1>
        {actions && <div className="v-actions">{actions}</div>}
      </div>
      {lead && <p className="v-lead">{lead}</p>}
      {notices.shown}
      {children}
    </div>
  );
}

/** A part of a page with a heading of its own. */
export function Section(props: { title: string; lead?: ReactNode; children: ReactNode }) {
  return (
    <section className="v-section">
      <h2>{props.title}</h2>
      {props.lead && <p className="v-lead">{props.lead}</p>}
      {props.children}
    </section>
  );
}

/** For what takes away the button that was used: the keyboard goes on from the heading of the page. */
export function focusHeading() {
  document.querySelector<HTMLElement>(".v-heading h1")?.focus({ preventScroll: true });
}
