// Ends what is left when the supervisor is killed.
//
// Every worker ends by itself when its line to its parent breaks, unless its JavaScript is stuck, and nothing in Node can
// end a process whose parent died (Linux's PR_SET_PDEATHSIG is out of its reach). So a shell of one megabyte waits on a
// pipe that only the supervisor holds. Each line of the pipe names the process groups that run at that moment; when the
// pipe breaks, the shell gives them a second and kills the groups of the last line. It is on no request's path, and it
// ends with the supervisor in any case.
//
// Where there is no shell (an image with nothing but Node in it), the server is alone in a container most often, whose
// other processes the kernel kills with its first one. (docs/decisions/stopping.md)

import { spawn } from "node:child_process";

export interface LastWatch {
  /** Replaces the groups to kill. Each number is a process group's leader. */
  watch(groups: readonly number[]): void;
  /** The supervisor ends in order: kill nothing. */
  close(): void;
}

/** `kill -9 -<group>`: the form that every shell's own kill takes. */
const script = `
trap '' HUP INT TERM
while read -r line; do groups=$line; done
[ -n "$groups" ] || exit 0
sleep 1
for group in $groups; do kill -9 "-$group" 2>/dev/null; done
`;

export function startLastWatch(): LastWatch {
  const shell = spawn("/bin/sh", ["-c", script, "switchyard-last-watch"], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
  });
  // No shell, or somebody has ended it: the server does without.
  shell.on("error", () => {});
  shell.stdin.on("error", () => {});
  shell.unref();
  return {
    watch: (groups) => void shell.stdin.write(`${groups.filter((group) => group > 1).join(" ")}\n`),
    close: () => shell.stdin.end("\n"),
  };
}
