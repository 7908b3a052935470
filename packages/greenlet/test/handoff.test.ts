// Every behaviour of the package on the handoff backend, which runs anywhere.

// Read at the first use of the package, which is in the tests.
process.env.SWITCHYARD_GREENLET_BACKEND = "handoff";
await import("./behaviour/index.ts");
