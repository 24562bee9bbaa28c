import { Component, type ReactNode } from "react";
import { Button } from "@carbon/react";

/** Says so when the console itself fails, for instance because a newer version removed a file this page still asks for. */
export class CrashBoundary extends Component<{ children: ReactNode }, { crashed: boolean }> {
  override state = { crashed: false };

  static getDerivedStateFromError() {
    return { crashed: true };
  }

  override render() {
    if (!this.state.crashed) return this.props.children;
    return (
      <main className="v-state v-crash">
        <h1 className="v-state-title">The console could not show this page</h1>
        <p>
          The service may have been updated since you opened the console. Reloading asks you to sign in again.
        </p>
        <Button onClick={() => window.location.reload()}>Reload</Button>
      </main>
    );
  }
}
