import { Link } from "react-router";
import { Empty } from "../ui/load";
import { Page } from "../ui/page";

export default function NotFound() {
  return (
    <Page title="Page not found">
      <Empty
        title="There is no page at this address"
        action={
          <Link className="cds--btn cds--btn--primary" to="/instances">
            See all instances
          </Link>
        }
      >
        The link may be old or mistyped.
      </Empty>
    </Page>
  );
}
