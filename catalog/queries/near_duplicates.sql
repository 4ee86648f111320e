-- Photos of different varieties that show the same picture: different bytes, but a cosine of at least 0.999.
-- Grain: one row per pair of photos, the most alike first.
-- Parameters, one per question mark, in order:
--   label (default ''): only pairs with a photo of this variety; '' for all, which takes minutes for more than 10,000 photos
with norms as (

    select
        image_id,
        label,
        pca_id,
        vector,
        sqrt(reduce(vector, 0e0, (total, x) -> total + cast(x as double) * x, total -> total)) as norm
    from gold.fruit_vectors

),

directions as (

    select
        image_id,
        label,
        pca_id,
        vector,
        norm,
        vector[1] / norm as first,
        coalesce(element_at(vector, 2), 0) / norm as second
    from norms
    where norm > 0

),

-- two unit vectors with a cosine of c are sqrt(2 - 2 * c) apart, and at most as far in each component
pairs as (

    select
        a.image_id,
        a.label,
        b.image_id as other_id,
        b.label as other_label,
        reduce(
            zip_with(a.vector, b.vector, (x, y) -> cast(x as double) * y),
            0e0, (total, product) -> total + product, total -> total
        ) / (a.norm * b.norm) as cosine
    from directions as a
    inner join directions as b
        on a.pca_id = b.pca_id and a.label < b.label
        and b.first between a.first - 0.0448 and a.first + 0.0448
        and b.second between a.second - 0.0448 and a.second + 0.0448
    where ? in ('', a.label, b.label)

)

select
    image_id,
    label,
    other_id,
    other_label,
    cosine
from pairs
where cosine >= 0.999
order by cosine desc, image_id, other_id
