// `npm run bench -- peers [name ...]`: Switchyard's models and the servers of peers.ts on two routes, each server in turn in
// each round, and beside them what a switch costs in Python's runtimes and in ours.
//
// A figure of a peer is compared with that of Switchyard's matching model in the same round. What is not installed is named
// with Debian's packages for it, and left out.

import { markdownTable, median, rounded } from "./figures.ts";
import { micro } from "./greenlets.ts";
import { type LoadResult, load } from "./load.ts";
import { type Peer, peers } from "./peers.ts";
import { moduleOf, type PythonSwitch, pythonFor, pythonMicros } from "./python.ts";
import { memoryBytes, processesOf, whileRunning } from "./subject.ts";

const helloClients = 64;
/** Where a server has few at once, twice as many: what a client has given up is served all the same, before the next. */
const waitingClients = ({ atOnce }: Peer) => (atOnce === undefined ? 1_000 : 2 * atOnce);

interface Measured {
  readonly hello: LoadResult;
  readonly wait: LoadResult;
  /** All processes of the server after both loads, what they share counted once. */
  readonly memoryMb: number;
}

/** A row of the JSON: a server or a switch. */
export type PeerRow =
  | { readonly kind: "server"; readonly name: string; readonly against: string | null; readonly rounds: Measured[] }
  | { readonly kind: "switch"; readonly name: string; readonly against: string | null; readonly rounds: number[] };

/** What a switch costs, in microseconds. */
interface Switch {
  readonly name: string;
  readonly against?: string;
  readonly packages?: string;
  readonly isInstalled: () => boolean;
  readonly micros: () => Promise<number>;
}

const count = 200_000;

const switches: readonly Switch[] = [
  ownSwitch("Switchyard: resume and suspend a greenlet", "switch"),
  pythonSwitch("CPython's greenlet: switch there and back", "switch", "Switchyard: resume and suspend a greenlet"),
  ownSwitch("Switchyard: wait(resolved)", "wait"),
  pythonSwitch("gevent: sleep(0)", "gevent", "Switchyard: wait(resolved)"),
  pythonSwitch("asyncio: sleep(0)", "asyncio", "Switchyard: wait(resolved)"),
  pythonSwitch("uvloop: asyncio's sleep(0)", "uvloop", "Switchyard: wait(resolved)"),
  ownSwitch("Node: await resolved", "await", "Switchyard: wait(resolved)"),
];

function ownSwitch(name: string, what: string, against?: string): Switch {
  const micros = async () => (await micro(what, count)).micros!;
  return { name, ...(against === undefined ? {} : { against }), isInstalled: () => true, micros };
}

function pythonSwitch(name: string, what: PythonSwitch, against: string): Switch {
  return {
    name,
    against,
    packages: `python3-${moduleOf[what]}`,
    isInstalled: () => pythonFor(what) !== null,
    micros: () => pythonMicros(what, count),
  };
}

/** Measures those whose name has one of these words in it, and whatever they are compared with; all without words. */
export async function measurePeers(
  words: readonly string[],
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<PeerRow[]> {
  const servers = installed(chosen(peers, words));
  const cheap = installed(chosen(switches, words));
  const rows = new Map<string, PeerRow>();
  for (const { name, against = null } of servers) rows.set(name, { kind: "server", name, against, rounds: [] });
  for (const { name, against = null } of cheap) rows.set(name, { kind: "switch", name, against, rounds: [] });
  for (let round = 1; round <= rounds; round++) {
    const say = (name: string) => process.stderr.write(`bench: round ${round} of ${rounds}, ${name}\n`);
    for (const peer of servers) {
      say(peer.name);
      const row = rows.get(peer.name);
      if (row?.kind === "server") row.rounds.push(await measure(peer, seconds));
    }
    for (const each of cheap) {
      say(each.name);
      const row = rows.get(each.name);
      if (row?.kind === "switch") row.rounds.push(await each.micros());
    }
  }
  return [...rows.values()];
}

interface Named {
  readonly name: string;
  readonly against?: string;
}

function chosen<Each extends Named>(all: readonly Each[], words: readonly string[]): Each[] {
  if (words.length === 0) return [...all];
  const isAsked = ({ name }: Named) => words.some((word) => name.toLowerCase().includes(word.toLowerCase()));
  const compared = new Set(all.filter(isAsked).map(({ against }) => against));
  return all.filter((each) => isAsked(each) || compared.has(each.name));
}

function installed<Each extends Named & Pick<Peer, "packages" | "isInstalled">>(all: readonly Each[]): Each[] {
  return all.filter((each) => {
    if (each.isInstalled()) return true;
    const how = each.packages === undefined ? "it comes from npm, which failed" : `apt-get install ${each.packages}`;
    process.stderr.write(`bench: ${each.name} is missing: ${how}\n`);
    return false;
  });
}

async function measure(peer: Peer, seconds: number): Promise<Measured> {
  const subject = await peer.make();
  return whileRunning(subject, async ({ url, pid }) => {
    const under = async (path: string, connections: number) => {
      const options = { url: `${url}${path}`, connections };
      await load({ ...options, seconds: 1 });
      return load({ ...options, seconds });
    };
    const hello = await under("/hello", helloClients);
    const wait = await under("/wait", waitingClients(peer));
    const bytes = processesOf(pid).reduce((sum, each) => sum + memoryBytes(each), 0);
    return { hello, wait, memoryMb: bytes / 1e6 };
  });
}

/** The tables of a run: servers, and switches. */
export function peersTables(rows: readonly PeerRow[]): string {
  const servers = rows.filter((row) => row.kind === "server");
  const cheap = rows.filter((row) => row.kind === "switch");
  const tables: string[] = [];
  if (servers.length > 0) {
    const heads = [
      "server",
      "/hello per second",
      "p50 / p99, ms",
      "×",
      "/wait per second",
      "p50 / p99, ms",
      "×",
      "memory, MB",
    ];
    const cells = servers.map((row) => {
      const peer = servers.find(({ name }) => name === row.against)?.rounds;
      const hello = loadCells(row.rounds, peer, (round) => round.hello);
      const wait = loadCells(row.rounds, peer, (round) => round.wait);
      return [row.name, ...hello, ...wait, median(row.rounds.map(({ memoryMb }) => memoryMb)).toFixed(0)];
    });
    tables.push(markdownTable(heads, cells));
  }
  if (cheap.length > 0) {
    const cells = cheap.map((row) => {
      const peer = cheap.find(({ name }) => name === row.against)?.rounds;
      const ratio = peer === undefined ? "" : rounded(median(row.rounds.map((micros, round) => micros / peer[round]!)));
      return [row.name, rounded(median(row.rounds)), ratio];
    });
    tables.push(markdownTable(["switch", "µs", "×"], cells));
  }
  return tables.join("\n\n");
}

/** Requests a second with errors if there were any, latencies, and the share of what Switchyard's model served. */
function loadCells(
  rounds: readonly Measured[],
  peer: readonly Measured[] | undefined,
  of: (round: Measured) => LoadResult,
): string[] {
  const middle = (key: keyof LoadResult) => median(rounds.map((round) => of(round)[key]));
  const errors = rounds.reduce((sum, round) => sum + of(round).errors, 0);
  const ratios = peer === undefined ? null : rounds.map((round, at) => of(round).perSecond / of(peer[at]!).perSecond);
  return [
    `${rounded(middle("perSecond"))}${errors === 0 ? "" : `, ${errors} errors`}`,
    `${rounded(middle("p50Ms"))} / ${rounded(middle("p99Ms"))}`,
    ratios === null ? "" : rounded(median(ratios)),
  ];
}
