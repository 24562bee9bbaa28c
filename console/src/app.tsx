import { useSyncExternalStore } from "react";
import { Navigate, Route, Routes } from "react-router";
import { snapshot, subscribe } from "./api/session";
import { CrashBoundary } from "./ui/crash";
import { Frame } from "./ui/frame";
import { lazyPage } from "./ui/lazy-page";
import { SignIn } from "./pages/sign-in";

const Instances = lazyPage(() => import("./pages/instances"));
const DeletedInstances = lazyPage(() => import("./pages/deleted-instances"));
const InstanceLayout = lazyPage(() => import("./pages/instance/layout"));
const Overview = lazyPage(() => import("./pages/instance/overview"));
const Providers = lazyPage(() => import("./pages/instance/providers"));
const ProviderPage = lazyPage(() => import("./pages/instance/provider"));
const Duplicate = lazyPage(() => import("./pages/instance/duplicate"));
const Settings = lazyPage(() => import("./pages/instance/settings"));
const Applications = lazyPage(() => import("./pages/instance/applications"));
const ApplicationPage = lazyPage(() => import("./pages/instance/application"));
const Roles = lazyPage(() => import("./pages/instance/roles"));
const RolePage = lazyPage(() => import("./pages/instance/role"));
const DirectoryUsers = lazyPage(() => import("./pages/instance/directory-users"));
const DirectoryUserPage = lazyPage(() => import("./pages/instance/directory-user"));
const Profiles = lazyPage(() => import("./pages/instance/profiles"));
const ProfilePage = lazyPage(() => import("./pages/instance/profile"));
const ExportUsers = lazyPage(() => import("./pages/instance/export-users"));
const ImportUsers = lazyPage(() => import("./pages/instance/import-users"));
const Outbox = lazyPage(() => import("./pages/outbox"));
const OutboxMailPage = lazyPage(() => import("./pages/outbox-mail"));
const Jobs = lazyPage(() => import("./pages/instance/jobs"));
const JobPage = lazyPage(() => import("./pages/instance/job"));
const ExportBundle = lazyPage(() => import("./pages/instance/export-bundle"));
const ImportBundle = lazyPage(() => import("./pages/instance/import-bundle"));
const NotFound = lazyPage(() => import("./pages/not-found"));

/** The whole console: the sign-in page until there is a session, the routes after. */
export function App() {
  const session = useSyncExternalStore(subscribe, snapshot);
  if (!session.signedIn) return <SignIn reason={session.reason} />;
  return (
    <CrashBoundary path="">
      <Routes>
        <Route element={<Frame />}>
          <Route index element={<Navigate to="/instances" replace />} />
          <Route path="instances" element={<Instances />} />
          <Route path="instances/deleted" element={<DeletedInstances />} />
          <Route path="instances/:tenant" element={<InstanceLayout />}>
            <Route index element={<Overview />} />
            <Route path="providers" element={<Providers />} />
            <Route path="providers/:name" element={<ProviderPage />} />
            <Route path="duplicate" element={<Duplicate />} />
            <Route path="settings" element={<Settings />} />
            <Route path="applications" element={<Applications />} />
            <Route path="applications/:clientId" element={<ApplicationPage />} />
            <Route path="roles" element={<Roles />} />
            <Route path="roles/:roleId" element={<RolePage />} />
            <Route path="users" element={<Navigate to="directory" replace />} />
            <Route path="users/directory" element={<DirectoryUsers />} />
            <Route path="users/directory/export" element={<ExportUsers kind="directory" />} />
            <Route path="users/directory/import" element={<ImportUsers kind="directory" />} />
            <Route path="users/directory/:userId" element={<DirectoryUserPage />} />
            <Route path="users/profiles" element={<Profiles />} />
            <Route path="users/profiles/export" element={<ExportUsers kind="profiles" />} />
            <Route path="users/profiles/import" element={<ImportUsers kind="profiles" />} />
            <Route path="users/profiles/:userId" element={<ProfilePage />} />
            <Route path="jobs" element={<Jobs />} />
            <Route path="jobs/export-bundle" element={<ExportBundle />} />
            <Route path="jobs/import-bundle" element={<ImportBundle />} />
            <Route path="jobs/:jobId" element={<JobPage />} />
          </Route>
          <Route path="outbox" element={<Outbox />} />
          <Route path="outbox/:mailId" element={<OutboxMailPage />} />
          <Route path="*" element={<NotFound />} />
        </Route>
      </Routes>
    </CrashBoundary>
  );
}
