// What the calls of every service have: the connection. TypeScript has one base class per class, so the services stand in a
// row: each file adds its calls to those of the one before, and `Client` ends the row.
import type { Connection } from "../connection.js";

/** The start of the row. */
export abstract class Calls {
  /** @internal */
  readonly connection: Connection;

  protected constructor(connection: Connection) {
    this.connection = connection;
  }
}

/** What every list takes. */
export interface ListOptions {
  /** How many to fetch at once; 100 by default, at most 1000. */
  pageSize?: number;
  /** Gives up on the list. */
  signal?: AbortSignal;
}

/** Page after page, as far as the caller looks. */
export async function* pages<P extends { nextPageToken: string }>(
  fetch: (pageToken: string) => Promise<P>,
): AsyncGenerator<P, void, undefined> {
  let token = "";
  do {
    const page = await fetch(token);
    yield page;
    token = page.nextPageToken;
  } while (token !== "");
}
