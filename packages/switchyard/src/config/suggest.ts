// "Did you mean": the known word nearest to one that is not known, by edit distance, or none when nothing is near.

/**
 * Finds the word nearest to `given`, at most a third of its letters away; a word that begins with it, or the other way
 * round, is near too. Case and dashes do not count, so that `max-header-bytes` finds `maxHeaderBytes`.
 */
export function nearest(given: string, words: readonly string[]): string | null {
  const target = plain(given);
  const furthest = target.length < 2 ? 0 : Math.max(1, Math.floor(target.length / 3));
  let best: { word: string; distance: number } | null = null;
  for (const word of words) {
    const distance = distanceOf(target, plain(word));
    if (distance <= furthest && (best === null || distance < best.distance)) best = { word, distance };
  }
  return best?.word ?? null;
}

function distanceOf(target: string, word: string): number {
  const begins = Math.min(target.length, word.length) >= 3 && (word.startsWith(target) || target.startsWith(word));
  return begins ? Math.min(1, editDistance(target, word)) : editDistance(target, word);
}

function plain(word: string): string {
  return word.replaceAll(/[-_]/g, "").toLowerCase();
}

/**
 * The fewest insertions, deletions, substitutions and swaps of neighbours that make one word of the other (the optimal
 * string alignment distance): a row of the table at a time, and the one before it for the swaps.
 */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, beforeLast[j - 2]! + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
