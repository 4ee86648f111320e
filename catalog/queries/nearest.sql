-- The ten photos most similar to a given one, by the cosine of their vectors.
-- Grain: one row per photo except the given one, nearest first.
-- Parameters, one per question mark, in order:
--   image_id: the given photo
with given as (

    select image_id, vector, pca_id
    from gold.fruit_vectors
    where image_id = ?

),

pairs as (

    select
        other.image_id,
        other.label,
        reduce(
            zip_with(other.vector, given.vector, (x, y) -> cast(x as double) * y),
            0e0, (total, product) -> total + product, total -> total
        ) as dot,
        sqrt(reduce(other.vector, 0e0, (total, x) -> total + cast(x as double) * x, total -> total)) as norm,
        sqrt(reduce(given.vector, 0e0, (total, x) -> total + cast(x as double) * x, total -> total)) as given_norm
    from gold.fruit_vectors as other
    inner join given on other.pca_id = given.pca_id
    where other.image_id <> given.image_id

)

select
    image_id,
    label,
    dot / nullif(norm * given_norm, 0e0) as cosine
from pairs
order by cosine desc nulls last, image_id
limit 10
