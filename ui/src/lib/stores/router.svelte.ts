/** Which view is shown. The window has no address bar, so this is all the routing there is. */

export type Route =
  | { view: "overview" }
  | { view: "replica"; id: string; tab?: "verify" }
  | { view: "create" }
  | { view: "load" }
  /** `at`: the step to begin with; `source`: the one that is open there. */
  | { view: "edit"; id: string; at?: "options" | "sources"; source?: string }
  | { view: "settings" };

export class Router {
  route: Route = $state.raw({ view: "overview" });

  go(route: Route): void {
    this.route = route;
  }

  /** The replica a view is about. */
  get replicaId(): string | null {
    return "id" in this.route ? this.route.id : null;
  }

  /** Esc: one level up. */
  up(): void {
    if (this.route.view === "edit") this.go({ view: "replica", id: this.route.id });
    else this.go({ view: "overview" });
  }
}
