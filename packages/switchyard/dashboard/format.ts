// Figures as a person reads them. Calculations only.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export function count(value: number): string {
  return whole.format(value);
}

/** A number of something in a second: with a fraction only where that says something. */
export function perSecond(value: number): string {
  return (value < 10 ? oneDigit : whole).format(value);
}

/** "0 ms", "0.42 ms", "12 ms", "1.3 s". */
export function duration(ms: number): string {
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${oneDigit.format(ms / 1000)} s`;
  return `${whole.format(ms / 60_000)} min`;
}

/** "54 MiB", "1.2 GiB". */
export function bytes(value: number): string {
  const mebibytes = value / 1024 ** 2;
  return mebibytes < 1000 ? `${Math.round(mebibytes)} MiB` : `${oneDigit.format(mebibytes / 1024)} GiB`;
}

/** "12 s", "4 min", "3 h": how long something has been. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** "14:03:22". */
export function clockTime(atMs: number): string {
  return new Date(atMs).toLocaleTimeString("en-GB");
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}
