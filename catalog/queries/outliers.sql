-- The fifty photos farthest from the centroid of their label, in units of the label's spread.
-- Grain: one row per photo, farthest first; labels without any spread are left out.
-- Parameters, one per question mark, in order:
--   label (default ''): only this variety; '' for all
with distances as (

    select
        vectors.image_id,
        vectors.label,
        sqrt(reduce(
            zip_with(vectors.vector, labels.centroid, (x, centre) -> (x - centre) * (x - centre)),
            0e0, (total, square) -> total + square, total -> total
        )) as distance,
        labels.spread
    from gold.fruit_vectors as vectors
    inner join gold.label_summary as labels on vectors.label = labels.label and vectors.pca_id = labels.pca_id
    where labels.spread > 0 and ? in ('', vectors.label)

)

select
    image_id,
    label,
    distance,
    distance / spread as spreads
from distances
order by spreads desc, image_id
limit 50
