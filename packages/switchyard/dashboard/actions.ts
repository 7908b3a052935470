// What the page asks the server to do. Only a page that the server itself gave out has the token, and a site that is not
// ours can't send the header.

/** Null where the server takes no orders from its page. */
export const token: string | null =
  document.querySelector<HTMLMetaElement>('meta[name="switchyard-token"]')?.content ?? null;

export interface Outcome {
  readonly isDone: boolean;
  /** Why not, in the server's words. */
  readonly text: string;
}

export async function order(action: "reload" | "scale" | "restart", details: object = {}): Promise<Outcome> {
  try {
    const response = await fetch(`/actions/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Switchyard-Token": token ?? "" },
      body: JSON.stringify(details),
    });
    return { isDone: response.ok, text: response.ok ? "" : (await response.text()).trim() };
  } catch {
    return { isDone: false, text: "The server does not answer." };
  }
}
