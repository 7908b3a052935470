import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Cpus, countCpus, readCpus } from "../../src/config/cpus.ts";
import { folderWith } from "./folder.ts";

/** Counts on a machine of eight CPUs whose /proc and /sys hold these files. */
function cpusOf(t: TestContext, files: Record<string, string>): Cpus {
  const root = folderWith(t, files);
  const readFile = (path: string) => {
    try {
      return readFileSync(join(root, path), "utf8");
    } catch {
      return null;
    }
  };
  return countCpus({ availableParallelism: 8, readFile });
}

test("without cgroups, every available CPU counts", (t) => {
  assert.deepEqual(cpusOf(t, {}), { count: 8, available: 8, quota: null, quotaFile: null });
});

test("a container's own cpu.max, at the root that it sees, limits the count", (t) => {
  const cpus = cpusOf(t, { "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n" });
  assert.deepEqual(cpus, { count: 2, available: 8, quota: 2, quotaFile: "/sys/fs/cgroup/cpu.max" });
});

test("a part of a CPU counts as one", (t) => {
  const count = (max: string) => cpusOf(t, { "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": max }).count;
  assert.equal(count("150000 100000"), 2);
  assert.equal(count("10000 100000"), 1);
  assert.equal(count("100000 100000"), 1);
  assert.equal(count("100001 100000"), 2);
});

test("the least quota between the group and the root holds", (t) => {
  const cpus = cpusOf(t, {
    "proc/self/cgroup": "0::/kubepods/pod1/main\n",
    "sys/fs/cgroup/kubepods/cpu.max": "600000 100000\n",
    "sys/fs/cgroup/kubepods/pod1/cpu.max": "250000 100000\n",
    "sys/fs/cgroup/kubepods/pod1/main/cpu.max": "max 100000\n",
  });
  assert.deepEqual(cpus, { count: 3, available: 8, quota: 2.5, quotaFile: "/sys/fs/cgroup/kubepods/pod1/cpu.max" });
});

test("a path that the container can't see still leads to the root", (t) => {
  const files = { "sys/fs/cgroup/cpu.max": "300000 100000\n" };
  assert.equal(cpusOf(t, { ...files, "proc/self/cgroup": "0::/system.slice/docker-1.scope\n" }).count, 3);
  assert.equal(cpusOf(t, { ...files, "proc/self/cgroup": "0::/../../other\n" }).count, 3);
});

test("a quota above the machine's CPUs changes nothing", (t) => {
  const cpus = cpusOf(t, { "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "1600000 100000\n" });
  assert.equal(cpus.count, 8);
});

test("the quota of cgroup v1 counts, wherever its controller is mounted", (t) => {
  for (const mount of ["cpu", "cpu,cpuacct"]) {
    const cpus = cpusOf(t, {
      "proc/self/cgroup": "9:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/docker/1\n",
      [`sys/fs/cgroup/${mount}/docker/1/cpu.cfs_quota_us`]: "350000\n",
      [`sys/fs/cgroup/${mount}/docker/1/cpu.cfs_period_us`]: "100000\n",
      [`sys/fs/cgroup/${mount}/cpu.cfs_quota_us`]: "-1\n",
      [`sys/fs/cgroup/${mount}/cpu.cfs_period_us`]: "100000\n",
    });
    assert.equal(cpus.count, 4, mount);
    assert.equal(cpus.quota, 3.5, mount);
  }
});

test("the affinity mask counts, and its CPUs are not rounded away by a quota", (t) => {
  const status = "Name:\tnode\nCpus_allowed:\tf\nCpus_allowed_list:\t0-2,5\n";
  assert.equal(cpusOf(t, { "proc/self/status": status }).count, 4);
  const files = { "proc/self/status": status, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000" };
  assert.equal(cpusOf(t, files).count, 2);
});

test("files that say something else limit nothing", (t) => {
  for (const text of ["", "max", "max 100000", "lots of it", "100000", "-5 100000", "100000 0"]) {
    assert.equal(cpusOf(t, { "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": text }).count, 8, text);
  }
  assert.equal(cpusOf(t, { "proc/self/cgroup": "nonsense\n\n::\n" }).count, 8);
});

test("this machine has at least one CPU and no more than Node can see and the mask allows", () => {
  const { count, available } = readCpus();
  assert.ok(count >= 1 && count <= available);
  assert.ok(available >= availableParallelism());
});
