-- The fifty photos farthest from the centroid of their label, measured in the label's own spread.
-- Grain: one row per photo, farthest first; labels whose photos are all alike are left out.
-- Parameters, one per question mark, in order:
--   label (default ''): only this variety; '' is every one
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
    inner join gold.label_summary as labels on vectors.label = labels.label
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
