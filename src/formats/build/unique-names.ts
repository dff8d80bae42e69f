/** The names in their order, each once: one that was there gets `_1`, `_2`... In time linear in their number. */
export function uniqueNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  const copies = new Map<string, number>();
  return names.map((name) => {
    let unique = name;
    let copy = copies.get(name) ?? 1;
    for (; taken.has(unique); copy++) unique = `${name}_${copy}`;
    copies.set(name, copy);
    taken.add(unique);
    return unique;
  });
}
