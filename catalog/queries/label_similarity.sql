-- The five varieties that look most like each, by the cosine of their centroids.
-- Grain: one row per label and one of its five most similar other labels, most similar first.
-- Parameters, one per question mark, in order:
--   label (default ''): only this variety; '' is every one
select
    label,
    rank,
    other_label,
    cosine
from gold.label_similarity
where rank <= 5 and ? in ('', label)
order by label, rank
