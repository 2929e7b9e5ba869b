// The client: one shared connection and a method for every call of the API.
import { Access } from "./calls/access.js";
import { Connection } from "./connection.js";
import { Endpoint } from "./endpoint.js";

/**
 * A client of a coordinator. It connects with its first call, comes back by itself after a break, and is meant to be shared.
 * Calls that may be repeated safely are repeated, with growing delays, when the coordinator is not reached or asks for it
 * (`EndpointOptions.retries`). Every call takes an `AbortSignal`.
 *
 * ```ts
 * const client = new Client("http://127.0.0.1:8083");
 * const execution = await client.start(machineArn, { text: "hello" });
 * console.log((await client.wait(execution)).result());
 * client.close();
 * ```
 */
export class Client extends Access {
  /** Where the coordinator is. */
  readonly endpoint: Endpoint;

  /**
   * @param endpoint A URL, or an {@link Endpoint} with options. Without one, the environment tells ({@link Endpoint.fromEnv}).
   * @throws ConfigurationError for options that cannot work.
   */
  constructor(endpoint: Endpoint | string = Endpoint.fromEnv()) {
    const chosen = typeof endpoint === "string" ? new Endpoint(endpoint) : endpoint;
    super(new Connection(chosen));
    this.endpoint = chosen;
  }

  /**
   * Connects now, to find out early whether the coordinator is there.
   *
   * @throws TransportError when nothing answers within `connectTimeoutMs`.
   */
  async connect(): Promise<this> {
    await this.connection.ready();
    return this;
  }

  /** Closes the connection; calls that wait end with an error. */
  close(): void {
    this.connection.close();
  }
}
