import { Component, type ReactNode } from "react";
import { Button } from "@carbon/react";

/** Says so when the console itself fails. What is at another address is shown again. */
export class CrashBoundary extends Component<
  {
    /** Where the window is. */
    path: string;
    children: ReactNode;
  },
  { path: string; crashed: boolean }
> {
  override state = { path: this.props.path, crashed: false };

  static getDerivedStateFromError() {
    return { crashed: true };
  }

  static getDerivedStateFromProps(props: { path: string }, state: { path: string }) {
    return props.path === state.path ? null : { path: props.path, crashed: false };
  }

  override render() {
    if (!this.state.crashed) return this.props.children;
    return (
      <div className="v-state v-crash" role="alert">
        <h1 className="v-state-title">The console could not show this page</h1>
        <p>That is a fault of the console. Its other pages still work.</p>
        <Button onClick={() => this.setState({ crashed: false })}>Try again</Button>
      </div>
    );
  }
}
