-- The five varieties most similar to each variety, by the cosine of their centroids.
-- Grain: one row per label and each of its five most similar labels, most similar first.
-- Parameters, one per question mark, in order:
--   label (default ''): only this variety; '' for all
select
    label,
    rank,
    other_label,
    cosine
from gold.label_similarity
where rank <= 5 and ? in ('', label)
order by label, rank
