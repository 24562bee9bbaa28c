import { useContext, useEffect } from "react";
import { Link, Outlet, useOutletContext, useParams } from "react-router";
import { getInstance, type Instance } from "../../api/platform";
import { InstanceNameContext } from "../../ui/instance-name";
import { Empty, Failed, Loading, useLoad, type Load } from "../../ui/load";
import { Page } from "../../ui/page";

/** Reads the instance once for all of its pages. */
export default function InstanceLayout() {
  const { tenant = "" } = useParams();
  const load = useLoad(() => getInstance(tenant), [tenant]);
  const tell = useContext(InstanceNameContext);
  const name = load.data?.name ?? "";
  useEffect(() => {
    tell(name);
    return () => tell("");
  }, [tell, name]);
  if (load.error) {
    return (
      <Page title="Instance">
        <Failed error={load.error} retry={load.reload} />
        <p className="v-after-state">
          <Link className="cds--link" to="/instances">
            See all instances
          </Link>
        </p>
      </Page>
    );
  }
  if (!load.data) return <Loading what="Loading the instance" />;
  if (load.data.state !== "active") {
    return (
      <Page title={load.data.name}>
        <Empty
          title="This instance is deleted"
          action={
            <Link className="cds--btn cds--btn--primary" to="/instances/deleted">
              See deleted instances
            </Link>
          }
        >
          Restore it to use it again.
        </Empty>
      </Page>
    );
  }
  return <Outlet context={load} />;
}

export function useInstance(): Instance {
  const load = useOutletContext<Load<Instance>>();
  // The layout shows its pages only once the instance is there.
  return load.data as Instance;
}

export function useInstanceLoad(): Load<Instance> {
  return useOutletContext<Load<Instance>>();
}
