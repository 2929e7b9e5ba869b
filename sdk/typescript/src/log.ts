// Where a worker says what happens to it.

/** Takes the lines of a worker; `console` is one. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
}

/** Says only what somebody should look at. */
export const WARNINGS: Logger = {
  debug: () => {},
  info: () => {},
  warn: (message) => console.warn(message),
};
