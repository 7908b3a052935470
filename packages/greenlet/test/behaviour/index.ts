// The behaviours that hold on every backend. Each file is run in one process for each backend.

import "./spawn.ts";
import "./wait.ts";
import "./kill.ts";
import "./suspension.ts";
import "./async-context.ts";
import "./limits.ts";
import "./process.ts";
import "./misuse.ts";
import "./sync.ts";
import "./groups.ts";
import "./fibers.ts";
import "./fuzz.ts";
import "./tools.ts";
import "./monkey.ts";
import "./monkey-more.ts";
import "./pinning.ts";
import "./robustness.ts";
import "./sqlite.ts";
import "./preemption.ts";
import "./unreachable.ts";
