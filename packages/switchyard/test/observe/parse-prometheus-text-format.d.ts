declare module "parse-prometheus-text-format" {
  /** Parses the text format of Prometheus; throws on a line that is not of it. */
  export default function parse(text: string): unknown;
}
