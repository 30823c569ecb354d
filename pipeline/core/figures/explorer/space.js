// Questions to the original space: neighbors, found exactly beforehand, and analogies,
// answered here from vectors in bytes.
const vectors = unpacked(spec.vectors), scales = unpacked(spec.scales);
const neighborIds = unpacked(spec.neighbors), neighborCosines = unpacked(spec.cosines);

const neighborsOf = i => {
  const found = [];
  for (let k = i * spec.depth; k < (i + 1) * spec.depth; k++)
    found.push({word: neighborIds[k], score: neighborCosines[k]});
  return found;
};

// 3CosAdd: the words x with the largest cos(x, b - a + c), but the three asked with.
const analogy = (a, b, c, top) => {
  const {dim} = spec, target = new Float64Array(dim);
  for (const [word, sign] of [[a, -1], [b, 1], [c, 1]])
    for (let k = 0; k < dim; k++)
      target[k] += sign * scales[word] * vectors[word * dim + k];
  const norm = Math.sqrt(target.reduce((sum, x) => sum + x * x, 0)) || 1;
  const scores = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let k = 0, at = i * dim; k < dim; k++, at++) sum += target[k] * vectors[at];
    scores[i] = sum * scales[i] / norm;
  }
  const best = [];
  for (let i = 0; i < n; i++) {
    if (i === a || i === b || i === c) continue;
    if (best.length === top && !(scores[i] > scores[best[top - 1]])) continue;
    let at = best.length;
    while (at > 0 && scores[i] > scores[best[at - 1]]) at--;
    best.splice(at, 0, i);
    best.length = Math.min(best.length, top);
  }
  return best.map(i => ({word: i, score: scores[i]}));
};
