// Values of the program as JSON texts and back.
import { DecodeError, EncodeError } from "./errors.js";

/** A JSON document: as text, or as a value. */
export type Document = string | { readonly [member: string]: unknown };

/** A value as JSON text; `undefined` is `null`. */
export function encode(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    throw new EncodeError(`cannot encode as JSON: ${(error as Error).message}`, { cause: error });
  }
  if (text === undefined) throw new EncodeError(`cannot encode as JSON: a ${typeof value} is no JSON`);
  return text;
}

/** A document that the caller has as JSON text or as a value; empty without one. */
export function document(value: Document | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : encode(value);
}

/** The value of a JSON text. */
export function decode(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DecodeError(`cannot decode JSON: ${(error as Error).message}`, { cause: error });
  }
}
