// Random numbers that repeat: the same seed gives the same numbers on every machine, so that a simulation is a calculation.
//
// sfc32, 128 bits of state, which passes PractRand (Chris Doty-Humphrey, "PractRand", 2010). Not for secrets.

export interface Random {
  /** A number from 0 up to, not including, 1. */
  next(): number;
  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number;
  /** An exponentially distributed number with mean 1: the time between the arrivals of a Poisson process. */
  exponential(): number;
  /** A normally distributed number with mean 0 and standard deviation 1. */
  normal(): number;
}

export function seededRandom(seed: number): Random {
  let a = seed | 0;
  let b = 0x9e3779b9;
  let c = 0x243f6a88;
  let counter = 1;
  const word = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  // Near seeds begin alike; after a few words they have nothing in common.
  for (let i = 0; i < 16; i++) word();

  const next = () => word() / 2 ** 32;
  // log(0) is minus infinity, and next() may be 0.
  const exponential = () => -Math.log(1 - next());
  return {
    next,
    below: (limit) => Math.floor(next() * limit),
    exponential,
    // Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    normal: () => Math.sqrt(2 * exponential()) * Math.cos(2 * Math.PI * next()),
  };
}
