// Handlers written as generator functions: each `yield` waits for a promise and has its value, as `await` does.
//
// The idea is co's (TJ Holowaychuk, 2013) and the specification of async functions itself: a coroutine that gives its
// promises to a driver, which resumes it with the outcome. What is yielded and is not a promise comes straight back.

export type AnyGenerator = Generator<unknown, unknown, unknown> | AsyncGenerator<unknown, unknown, unknown>;
type GeneratorFunction = (...args: readonly unknown[]) => AnyGenerator;

const kinds = new Set(["[object GeneratorFunction]", "[object AsyncGeneratorFunction]"]);

/** Whether calling the function makes a generator. By its tag, which no bundler changes and which works across realms. */
export function isGeneratorFunction(value: unknown): value is GeneratorFunction {
  return kinds.has(Object.prototype.toString.call(value));
}

/** Runs a generator to its end and gives what it returned. A rejection is thrown into it at the `yield`. */
export async function drive(generator: AnyGenerator): Promise<unknown> {
  let step = await generator.next();
  while (step.done !== true) step = await resume(generator, step.value);
  return step.value;
}

async function resume(generator: AnyGenerator, yielded: unknown): Promise<IteratorResult<unknown, unknown>> {
  let value: unknown;
  try {
    value = await yielded;
  } catch (error) {
    return generator.throw(error);
  }
  return generator.next(value);
}
