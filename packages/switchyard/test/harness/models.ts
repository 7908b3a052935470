// The models that a test of the whole server runs under, each with the arguments that start it.
//
// One row for each way in which a request can reach an application: a loop of its own, one of several loops, a greenlet, a
// sync worker that is a process (messages over a socket), one that is a thread (messages over a port), and one of a lane,
// which a loop reaches by way of the pool's process.

export interface ModelRow {
  readonly name: string;
  readonly model: "async" | "hybrid" | "greenlet" | "sync";
  readonly args: readonly string[];
}

const row = (model: ModelRow["model"], workers: string): ModelRow => ({
  name: `${model} ${workers}`.trim(),
  model,
  args: ["--model", model, ...workers.split(" ").filter((word) => word !== "")],
});

export const models: readonly ModelRow[] = [
  row("async", ""),
  row("hybrid", "--workers 2"),
  row("greenlet", "--workers 1"),
  row("sync", "--workers 2"),
  row("sync", "--threads 2"),
  {
    name: "a sync lane beside loops",
    model: "sync",
    args: ["--model", "hybrid", "--workers", "2", "--lane", "/**=sync:2"],
  },
];

/** Those that run many requests at once in one worker. */
export const loopModels = models.filter((each) => each.model !== "sync");
/** Those that run one request at a time in a worker. */
export const syncModels = models.filter((each) => each.model === "sync");
