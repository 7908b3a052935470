export function work(rounds: number): number;
export function roundsFor(milliseconds: number): number;
