// What a listener throws is its program's, and comes out of no switch and no wait: it is thrown where nobody of ours is.

export function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
