"""Items unlike each other: greedy k-center on hashed TF-IDF of their text.

Each step takes the item farthest (cosine) from all that were taken or known before; it is at most twice as far off as the best choice of k centres
(Gonzalez 1985; Sener & Savarese 2018 for active learning). Words and pairs of words are hashed, so there is no vocabulary to keep. Cost: one sparse
product per item taken, O(k × non-zeros); memory O(non-zeros).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FEATURES = 2**18


def spread_out(texts: Sequence[str], k: int, *, known: Sequence[str] = ()) -> list[int]:
    """Positions of ``k`` of ``texts``, each as unlike the ones before (and ``known``) as can be. Ties go to the earlier position.

    With nothing known the first is the one most like all others, so that an outlier does not come first by chance.
    """
    if k <= 0 or not texts:
        return []
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    vectors = HashingVectorizer(n_features=_FEATURES, alternate_sign=False, norm=None, ngram_range=(1, 2)).transform([*texts, *known])
    vectors = TfidfTransformer(sublinear_tf=True).fit_transform(vectors).tocsr()
    pool, old = vectors[: len(texts)], vectors[len(texts) :]
    nearest = np.full(len(texts), -1.0)  # the highest similarity to anything taken
    if old.shape[0]:
        for start in range(0, old.shape[0], 256):
            nearest = np.maximum(nearest, (pool @ old[start : start + 256].T).max(axis=1).toarray().ravel())
    taken: list[int] = []
    free = np.ones(len(texts), dtype=bool)
    for _ in range(min(k, len(texts))):
        if not taken and not old.shape[0]:
            chosen = int(np.argmax(pool @ np.asarray(pool.sum(axis=0)).ravel()))
        else:
            chosen = int(np.argmin(np.where(free, nearest, np.inf)))
        taken.append(chosen)
        free[chosen] = False
        nearest = np.maximum(nearest, (pool @ pool[chosen].T).toarray().ravel())
    return taken
