// Where the coordinator is and how to speak to it: URL, key, TLS, timeouts, keepalive, retries.
import { existsSync, readFileSync } from "node:fs";
import { type ChannelCredentials, type ChannelOptions, credentials, Metadata } from "@grpc/grpc-js";
import { ConfigurationError } from "./errors.js";
import { VERSION } from "./version.js";

/** Where `stepfleet dev` listens. */
export const DEFAULT_ENDPOINT = "http://127.0.0.1:8083";

/** Places where operating systems keep the certificate authorities that they trust. */
const SYSTEM_ROOTS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
  "/etc/ssl/ca-bundle.pem",
];
const CERTIFICATE_MARK = "-----BEGIN CERTIFICATE-----";
/** Largest answer that is accepted, bytes: a page of a history, or a batch of pushes with their inputs. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** How to speak to a coordinator. */
export interface EndpointOptions {
  /** Sent as `authorization: Bearer <key>` with every call. */
  apiKey?: string;
  /** The same, read from a file; white space around it is ignored. */
  apiKeyFile?: string;
  /** Trusts the certificate authorities of this PEM text instead of those of the operating system. */
  caPem?: Buffer | string;
  /** The same, read from a file. */
  caFile?: string;
  /** Shows this certificate to the coordinator (mutual TLS), together with `clientKeyPem`. */
  clientCertPem?: Buffer | string;
  /** The same, read from a file. */
  clientCertFile?: string;
  /** The key of the client certificate. */
  clientKeyPem?: Buffer | string;
  /** The same, read from a file. */
  clientKeyFile?: string;
  /** The name expected in the coordinator's certificate, where it differs from the host of the URL. */
  domainName?: string;
  /** Put in front of the library's own `user-agent`. */
  userAgent?: string;
  /** How long `Client.connect` waits, milliseconds; 5 s by default. */
  connectTimeoutMs?: number;
  /**
   * How long one attempt of a call may take, milliseconds; 30 s by default. `getActivityTask` always has 65 s more,
   * `startSyncExecution` 305 s; streams have no limit.
   */
  requestTimeoutMs?: number;
  /** Between HTTP/2 pings, milliseconds; 20 s by default. */
  keepaliveIntervalMs?: number;
  /** The connection is given up when a ping stays unanswered for so long, milliseconds; 10 s by default. */
  keepaliveTimeoutMs?: number;
  /** How often a call that may be repeated safely is repeated; 4 by default, 0 turns it off. */
  retries?: number;
}

/** Address and options of a coordinator. */
export class Endpoint {
  /** `http://host:port` or `https://host:port`. */
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly retries: number;
  /** What gRPC connects to. @internal */
  readonly target: string;
  readonly #secure: boolean;
  readonly #apiKey: string | undefined;
  readonly #roots: Buffer | undefined;
  readonly #identity: readonly [Buffer | undefined, Buffer | undefined];
  readonly #options: ChannelOptions;

  /**
   * @param url `http://host:port` or `https://host:port`.
   * @throws {@link ConfigurationError} for options that cannot work, or a file that cannot be read.
   */
  constructor(url: string = DEFAULT_ENDPOINT, options: EndpointOptions = {}) {
    this.url = url;
    [this.target, this.#secure] = address(url);
    this.#apiKey = key(options.apiKey, options.apiKeyFile);
    this.#roots = pem(options.caPem, options.caFile);
    if (this.#roots !== undefined && !this.#roots.includes(CERTIFICATE_MARK)) {
      // Without this check, TLS would start with nobody to trust and refuse every coordinator.
      throw new ConfigurationError("the certificate authorities hold no PEM certificate");
    }
    this.#identity = [
      pem(options.clientCertPem, options.clientCertFile),
      pem(options.clientKeyPem, options.clientKeyFile),
    ];
    if ((this.#identity[0] === undefined) !== (this.#identity[1] === undefined)) {
      throw new ConfigurationError("client certificate and key belong together: only one of them is given");
    }
    this.connectTimeoutMs = options.connectTimeoutMs ?? 5000;
    this.requestTimeoutMs = options.requestTimeoutMs ?? 30_000;
    this.retries = options.retries ?? 4;
    const own = `stepfleet-sdk-typescript/${VERSION}`;
    this.#options = {
      "grpc.primary_user_agent": options.userAgent ? `${options.userAgent} ${own}` : own,
      "grpc.keepalive_time_ms": options.keepaliveIntervalMs ?? 20_000,
      "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs ?? 10_000,
      "grpc.keepalive_permit_without_calls": 1,
      "grpc.max_receive_message_length": ANSWER_BYTES_MAX,
      "grpc.max_send_message_length": -1,
      // Our own attempts decide when to try again; gRPC's default of up to two minutes would hold them back.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1000,
      // Calls are repeated here, where it is known which of them may be.
      "grpc.enable_retries": 0,
      // A coordinator is reached directly, as by the other SDKs.
      "grpc.enable_http_proxy": 0,
      ...(options.domainName && { "grpc.ssl_target_name_override": options.domainName }),
    };
  }

  /**
   * Reads the environment, as every Stepfleet SDK does: `STEPFLEET_ENDPOINT` (unless a URL is given here),
   * `STEPFLEET_API_KEY` or `STEPFLEET_API_KEY_FILE`, `STEPFLEET_CA_FILE`, `STEPFLEET_CLIENT_CERT_FILE` with
   * `STEPFLEET_CLIENT_KEY_FILE`.
   *
   * @throws {@link ConfigurationError} for options that cannot work, or a file that cannot be read.
   */
  static fromEnv(url?: string): Endpoint {
    const options: EndpointOptions = {};
    const apiKey = env("STEPFLEET_API_KEY");
    const files = {
      apiKeyFile: apiKey ? undefined : env("STEPFLEET_API_KEY_FILE"),
      caFile: env("STEPFLEET_CA_FILE"),
      clientCertFile: env("STEPFLEET_CLIENT_CERT_FILE"),
      clientKeyFile: env("STEPFLEET_CLIENT_KEY_FILE"),
    };
    if ((files.clientCertFile === undefined) !== (files.clientKeyFile === undefined)) {
      const names = "STEPFLEET_CLIENT_CERT_FILE and STEPFLEET_CLIENT_KEY_FILE";
      throw new ConfigurationError(`${names} belong together: only one of them is set`);
    }
    if (apiKey !== undefined) options.apiKey = apiKey;
    for (const [name, path] of Object.entries(files)) {
      if (path !== undefined) options[name as keyof typeof files] = path;
    }
    return new Endpoint(url ?? env("STEPFLEET_ENDPOINT") ?? DEFAULT_ENDPOINT, options);
  }

  /** What goes with every call. @internal */
  metadata(): Metadata {
    const metadata = new Metadata();
    if (this.#apiKey !== undefined) metadata.set("authorization", `Bearer ${this.#apiKey}`);
    return metadata;
  }

  /** @internal */
  channelOptions(): ChannelOptions {
    return { ...this.#options };
  }

  /** @internal */
  credentials(): ChannelCredentials {
    if (!this.#secure) return credentials.createInsecure();
    const [certificate, key] = this.#identity;
    return credentials.createSsl(this.#roots ?? systemRoots(), key ?? null, certificate ?? null);
  }
}

function address(url: string): [string, boolean] {
  if (!/^https?:\/\//.test(url)) {
    throw new ConfigurationError(`endpoint \`${url}\` must begin with http:// or https://`);
  }
  const malformed = () => new ConfigurationError(`endpoint \`${url}\` is malformed: it must be http(s)://host:port`);
  if (!URL.canParse(url)) throw malformed();
  const parts = new URL(url);
  const more = parts.search || parts.hash || parts.username || parts.password;
  if (!parts.hostname || parts.pathname !== "/" || more) throw malformed();
  const secure = parts.protocol === "https:";
  return [`${parts.hostname}:${parts.port || (secure ? 443 : 80)}`, secure];
}

function key(given: string | undefined, path: string | undefined): string | undefined {
  let value = given;
  if (value === undefined && path !== undefined) {
    value = read(path).toString("utf8").trim();
    if (value === "") throw new ConfigurationError(`API key file ${path} is empty`);
  }
  if (value !== undefined && !/^[\x20-\x7e]+$/.test(value)) {
    throw new ConfigurationError("the API key holds characters that no key has");
  }
  return value;
}

function pem(text: Buffer | string | undefined, path: string | undefined): Buffer | undefined {
  if (text !== undefined) return Buffer.from(text);
  return path === undefined ? undefined : read(path);
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigurationError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The operating system's certificate authorities; `null`, where they are kept elsewhere, takes those of Node.js. */
function systemRoots(): Buffer | null {
  const named = env("SSL_CERT_FILE");
  if (named !== undefined) return read(named);
  const path = SYSTEM_ROOTS.find((path) => existsSync(path));
  return path === undefined ? null : read(path);
}

function env(name: string): string | undefined {
  return process.env[name] || undefined;
}
