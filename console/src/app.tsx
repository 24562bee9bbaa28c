import { lazy, Suspense, useSyncExternalStore, type ReactNode } from "react";
import { Navigate, Route, Routes } from "react-router";
import { snapshot, subscribe } from "./api/session";
import { Frame } from "./ui/frame";
import { Loading } from "./ui/load";
import { CrashBoundary } from "./ui/crash";
import { SignIn } from "./pages/sign-in";

const Instances = lazy(() => import("./pages/instances"));
const DeletedInstances = lazy(() => import("./pages/deleted-instances"));
const InstanceLayout = lazy(() => import("./pages/instance/layout"));
const Overview = lazy(() => import("./pages/instance/overview"));
const Providers = lazy(() => import("./pages/instance/providers"));
const ProviderPage = lazy(() => import("./pages/instance/provider"));
const Duplicate = lazy(() => import("./pages/instance/duplicate"));
const Settings = lazy(() => import("./pages/instance/settings"));
const Applications = lazy(() => import("./pages/instance/applications"));
const ApplicationPage = lazy(() => import("./pages/instance/application"));
const Roles = lazy(() => import("./pages/instance/roles"));
const RolePage = lazy(() => import("./pages/instance/role"));
const DirectoryUsers = lazy(() => import("./pages/instance/directory-users"));
const DirectoryUserPage = lazy(() => import("./pages/instance/directory-user"));
const Profiles = lazy(() => import("./pages/instance/profiles"));
const ProfilePage = lazy(() => import("./pages/instance/profile"));
const ExportUsers = lazy(() => import("./pages/instance/export-users"));
const ImportUsers = lazy(() => import("./pages/instance/import-users"));
const Outbox = lazy(() => import("./pages/outbox"));
const OutboxMailPage = lazy(() => import("./pages/outbox-mail"));
const Jobs = lazy(() => import("./pages/instance/jobs"));
const JobPage = lazy(() => import("./pages/instance/job"));
const ExportBundle = lazy(() => import("./pages/instance/export-bundle"));
const ImportBundle = lazy(() => import("./pages/instance/import-bundle"));
const NotFound = lazy(() => import("./pages/not-found"));

/** The whole console: the sign-in page until there is a session, the routes after. */
export function App() {
  const session = useSyncExternalStore(subscribe, snapshot);
  if (!session.signedIn) return <SignIn reason={session.reason} />;
  return (
    <CrashBoundary>
      <Routes>
        <Route element={<Frame />}>
          <Route index element={<Navigate to="/instances" replace />} />
          <Route path="instances" element={paged(<Instances />)} />
          <Route path="instances/deleted" element={paged(<DeletedInstances />)} />
          <Route path="instances/:tenant" element={paged(<InstanceLayout />)}>
            <Route index element={paged(<Overview />)} />
            <Route path="providers" element={paged(<Providers />)} />
            <Route path="providers/:name" element={paged(<ProviderPage />)} />
            <Route path="duplicate" element={paged(<Duplicate />)} />
            <Route path="settings" element={paged(<Settings />)} />
            <Route path="applications" element={paged(<Applications />)} />
            <Route path="applications/:clientId" element={paged(<ApplicationPage />)} />
            <Route path="roles" element={paged(<Roles />)} />
            <Route path="roles/:roleId" element={paged(<RolePage />)} />
            <Route path="users" element={<Navigate to="directory" replace />} />
            <Route path="users/directory" element={paged(<DirectoryUsers />)} />
            <Route path="users/directory/export" element={paged(<ExportUsers kind="directory" />)} />
            <Route path="users/directory/import" element={paged(<ImportUsers kind="directory" />)} />
            <Route path="users/directory/:userId" element={paged(<DirectoryUserPage />)} />
            <Route path="users/profiles" element={paged(<Profiles />)} />
            <Route path="users/profiles/export" element={paged(<ExportUsers kind="profiles" />)} />
            <Route path="users/profiles/import" element={paged(<ImportUsers kind="profiles" />)} />
            <Route path="users/profiles/:userId" element={paged(<ProfilePage />)} />
            <Route path="jobs" element={paged(<Jobs />)} />
            <Route path="jobs/export-bundle" element={paged(<ExportBundle />)} />
            <Route path="jobs/import-bundle" element={paged(<ImportBundle />)} />
            <Route path="jobs/:jobId" element={paged(<JobPage />)} />
          </Route>
          <Route path="outbox" element={paged(<Outbox />)} />
          <Route path="outbox/:mailId" element={paged(<OutboxMailPage />)} />
          <Route path="*" element={paged(<NotFound />)} />
        </Route>
      </Routes>
    </CrashBoundary>
  );
}

function paged(page: ReactNode) {
  return <Suspense fallback={<Loading what="Loading the page" />}>{page}</Suspense>;
}
